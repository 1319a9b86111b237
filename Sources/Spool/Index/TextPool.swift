import Glibc

/// Texts that many deliveries have in common, each once, by number.
struct TextPool {
    /// Byte for byte: two texts that Unicode takes for the same are two.
    private struct Key: Hashable {
        var text: String

        static func == (a: Key, b: Key) -> Bool {
            var text = a.text
            return text.withUTF8 { b.is(UnsafeRawBufferPointer($0)) }
        }

        func `is`(_ bytes: UnsafeRawBufferPointer) -> Bool {
            var text = text
            return text.withUTF8 { own in
                guard own.count == bytes.count else { return false }
                guard let own = own.baseAddress, let other = bytes.baseAddress else { return true }
                return memcmp(own, other, bytes.count) == 0
            }
        }

        func hash(into hasher: inout Hasher) {
            var text = text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    /// Of the numbers that are not used, empty.
    private(set) var texts: [String] = []
    private var uses: [UInt32] = []
    private var numbers: [Key: UInt32] = [:]
    private var free: [UInt32] = []
    /// Numbers by a checksum of their texts: what is loaded row by row mostly repeats itself.
    private var recent = [UInt32](repeating: .max, count: 1024)

    /// The same as `use(String)`, in less time for a text that was used lately.
    mutating func use(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        let slot = Int(BodyChecksum.of(bytes) & 1023)
        let known = recent[slot]
        if known != .max, uses[Int(known)] > 0, Key(text: texts[Int(known)]).is(bytes) {
            uses[Int(known)] += 1
            return known
        }
        let number = use(String(decoding: bytes, as: UTF8.self))
        recent[slot] = number
        return number
    }

    /// The number of a text, which is used once more.
    mutating func use(_ text: String) -> UInt32 {
        if let number = numbers[Key(text: text)] {
            uses[Int(number)] += 1
            return number
        }
        let number: UInt32
        if let last = free.popLast() {
            number = last
            texts[Int(number)] = text
            uses[Int(number)] = 1
        } else {
            number = UInt32(texts.count)
            texts.append(text)
            uses.append(1)
        }
        numbers[Key(text: text)] = number
        return number
    }

    mutating func useAgain(_ number: UInt32) { uses[Int(number)] += 1 }

    mutating func release(_ number: UInt32) {
        let index = Int(number)
        uses[index] -= 1
        guard uses[index] == 0 else { return }
        numbers[Key(text: texts[index])] = nil
        texts[index] = ""
        free.append(number)
    }
}

/// The destinations that deliveries have, and their names. Number 0 is none.
struct DestinationTable {
    private(set) var ids: [Int64?] = [nil]
    private(set) var names: [String?] = [nil]
    private var uses: [Int] = [0]
    private var numbers: [Int64: UInt32] = [:]
    private var free: [UInt32] = []

    mutating func use(_ id: Int64?) -> UInt32 {
        let number = number(of: id)
        uses[Int(number)] += 1
        return number
    }

    mutating func useAgain(_ number: UInt32) { uses[Int(number)] += 1 }

    mutating func release(_ number: UInt32) {
        let index = Int(number)
        uses[index] -= 1
        // It has never been recorded: only deliveries knew it.
        if uses[index] == 0, names[index] == nil { forget(number) }
    }

    mutating func name(_ id: Int64, _ name: String) {
        let number = number(of: id)
        names[Int(number)] = name
    }

    /// Only those that no delivery has are forgotten.
    mutating func forget(_ id: Int64) {
        guard let number = numbers[id] else { return }
        if uses[Int(number)] == 0 { forget(number) }
    }

    func number(known id: Int64) -> UInt32? { numbers[id] }

    private mutating func number(of id: Int64?) -> UInt32 {
        guard let id else { return 0 }
        if let number = numbers[id] { return number }
        let number: UInt32
        if let last = free.popLast() {
            number = last
            ids[Int(number)] = id
        } else {
            number = UInt32(ids.count)
            ids.append(id)
            names.append(nil)
            uses.append(0)
        }
        numbers[id] = number
        return number
    }

    private mutating func forget(_ number: UInt32) {
        guard number != 0, let id = ids[Int(number)] else { return }
        numbers[id] = nil
        ids[Int(number)] = nil
        names[Int(number)] = nil
        free.append(number)
    }
}
