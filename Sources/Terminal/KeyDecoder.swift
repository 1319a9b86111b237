/// Turns the bytes that a terminal sends into keys. Bytes may arrive coalesced or split anywhere.
///
/// Knows the sequences of xterm, its many relatives, rxvt and the kernel's console, rather than
/// the one terminal that TERM names: what arrives is often another's.
package struct KeyDecoder: Sendable {
    /// After a lone ESC: if nothing follows for so long, it was the key.
    package static let escapeDelay = 25
    /// How long the rest of a sequence may take, in milliseconds.
    package static let sequenceDelay = 250
    /// Bytes that are kept of one paste.
    package static let pasteLimit = 64 * 1024
    /// Bytes after which an unfinished sequence is given up.
    private static let sequenceLimit = 4096

    private enum Mode: Sendable {
        case keys
        case paste
        /// ESC was taken for the key, but the rest of a sequence may still come late.
        case afterEscape
    }

    private var mode = Mode.keys
    private var buffer: [UInt8] = []
    private var pasted: [UInt8] = []

    package init() {}

    /// Milliseconds after the last byte at which `expire()` is to be called; nil: never.
    package var delay: Int? {
        switch mode {
        case .paste: nil
        case .afterEscape: Self.sequenceDelay
        case .keys:
            buffer.isEmpty ? nil : buffer == [0x1B] ? Self.escapeDelay : Self.sequenceDelay
        }
    }

    package mutating func feed(_ bytes: some Sequence<UInt8>) -> [Key] {
        buffer.append(contentsOf: bytes)
        if mode == .afterEscape {
            mode = .keys
            // A sequence that was torn behind its ESC: its rest must not act as letters.
            if let first = buffer.first, first == UInt8(ascii: "[") || first == UInt8(ascii: "O") {
                buffer.insert(0x1B, at: 0)
            }
        }
        var keys: [Key] = []
        var position = 0
        while position < buffer.count {
            if mode == .paste {
                takePaste(&position, &keys)
                if mode == .paste { break }
                continue
            }
            guard let used = take(buffer[position...], &keys) else { break }
            position += used
        }
        buffer.removeFirst(position)
        if buffer.count > Self.sequenceLimit, mode != .paste { buffer.removeAll() }
        return keys
    }

    /// Nothing came for `delay` milliseconds.
    package mutating func expire() -> [Key] {
        if mode == .keys, buffer == [0x1B] {
            buffer.removeAll()
            mode = .afterEscape
            return [.escape]
        }
        if mode != .paste {
            mode = .keys
            buffer.removeAll()
        }
        return []
    }

    // MARK: One key

    /// Returns how many bytes it took, or nil where more are needed.
    private mutating func take(_ bytes: ArraySlice<UInt8>, _ keys: inout [Key]) -> Int? {
        let first = bytes[bytes.startIndex]
        switch first {
        case 0x1B: return takeEscape(bytes, &keys)
        case 0x0D, 0x0A: keys.append(.enter)
        case 0x09: keys.append(.tab)
        case 0x7F, 0x08: keys.append(.backspace)
        case 0x01...0x1A:
            keys.append(.control(Character(Unicode.Scalar(first + 0x60))))
        case 0x1C: keys.append(.control("\\"))
        case 0x00, 0x1D...0x1F: break
        case 0x20...0x7E: keys.append(.character(Character(Unicode.Scalar(first))))
        default: return takeUTF8(bytes, &keys)
        }
        return 1
    }

    private func takeUTF8(_ bytes: ArraySlice<UInt8>, _ keys: inout [Key]) -> Int? {
        let first = bytes[bytes.startIndex]
        let length =
            switch first {
            case 0xC2...0xDF: 2
            case 0xE0...0xEF: 3
            case 0xF0...0xF4: 4
            default: 1
            }
        if length == 1 { return 1 }
        let sequence = bytes.prefix(length)
        let following = sequence.dropFirst().prefix { $0 & 0xC0 == 0x80 }.count
        // Torn off by something else: what is there is dropped, the rest is looked at anew.
        if following + 1 < sequence.count { return following + 1 }
        if sequence.count < length { return nil }
        if let text = String(validating: sequence, as: UTF8.self), let character = text.first,
            character.unicodeScalars.first.map({ $0.value >= 0xA0 }) == true
        {
            keys.append(.character(character))
        }
        return length
    }

    private mutating func takeEscape(_ bytes: ArraySlice<UInt8>, _ keys: inout [Key]) -> Int? {
        guard bytes.count > 1 else { return nil }
        switch bytes[bytes.startIndex + 1] {
        case UInt8(ascii: "["): return takeControlSequence(bytes, &keys)
        case UInt8(ascii: "O"):
            guard bytes.count > 2 else { return nil }
            if let key = Self.functionKey(final: bytes[bytes.startIndex + 2]) { keys.append(key) }
            return 3
        case UInt8(ascii: "]"), UInt8(ascii: "P"), UInt8(ascii: "_"), UInt8(ascii: "^"):
            // An answer to a question, perhaps another program's: swallowed whole.
            return Self.lengthOfString(bytes)
        default:
            // Two keys in one packet, or one with Alt: as Alt means nothing here, two keys.
            keys.append(.escape)
            return 1
        }
    }

    /// The length of OSC, DCS, APC or PM up to BEL or ST.
    private static func lengthOfString(_ bytes: ArraySlice<UInt8>) -> Int? {
        var index = bytes.startIndex + 2
        while index < bytes.endIndex {
            if bytes[index] == 0x07 { return index + 1 - bytes.startIndex }
            if bytes[index] == 0x1B, index + 1 < bytes.endIndex {
                return index + (bytes[index + 1] == UInt8(ascii: "\\") ? 2 : 0) - bytes.startIndex
            }
            index += 1
        }
        return nil
    }

    // MARK: CSI

    private mutating func takeControlSequence(
        _ bytes: ArraySlice<UInt8>, _ keys: inout [Key]
    ) -> Int? {
        let start = bytes.startIndex + 2
        guard start < bytes.endIndex else { return nil }
        // The kernel's console: ESC [ [ A…E.
        if bytes[start] == UInt8(ascii: "[") {
            guard start + 1 < bytes.endIndex else { return nil }
            let offset = Int(bytes[start + 1]) - Int(UInt8(ascii: "A"))
            if (0...4).contains(offset) { keys.append(.function(offset + 1)) }
            return 4
        }
        var end = start
        while end < bytes.endIndex, (0x20...0x3F).contains(bytes[end]) { end += 1 }
        guard end < bytes.endIndex else { return nil }
        let final = bytes[end]
        // A control inside ends the sequence and is looked at by itself.
        guard (0x40...0x7E).contains(final) else { return end - bytes.startIndex }
        let length = end + 1 - bytes.startIndex
        let parameters = bytes[start..<end]
        if final == UInt8(ascii: "M"), parameters.isEmpty {
            // The mouse in its old form: three bytes follow.
            return bytes.count >= length + 3 ? length + 3 : nil
        }
        if parameters.first == UInt8(ascii: "<") {
            if let key = Self.mouse(parameters.dropFirst(), final: final) { keys.append(key) }
            return length
        }
        let numbers = Self.numbers(parameters)
        switch final {
        case UInt8(ascii: "~"):
            if numbers.first == 200 {
                mode = .paste
                pasted.removeAll()
            } else if let key = numbers.first.flatMap(Self.editingKey) {
                keys.append(key)
            }
        case UInt8(ascii: "Z"): keys.append(.backTab)
        default:
            // "?", ">" begin answers of the terminal, not keys.
            if parameters.allSatisfy({ (0x30...0x3B).contains($0) }),
                let key = Self.functionKey(final: final), final != UInt8(ascii: "R")
            {
                keys.append(key)
            }
        }
        return length
    }

    private static func numbers(_ parameters: ArraySlice<UInt8>) -> [Int] {
        parameters.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).map {
            $0.reduce(0) { sum, byte in
                (0x30...0x39).contains(byte) ? min(sum * 10 + Int(byte) - 0x30, 99_999) : sum
            }
        }
    }

    private static func functionKey(final: UInt8) -> Key? {
        switch final {
        case UInt8(ascii: "A"): .up
        case UInt8(ascii: "B"): .down
        case UInt8(ascii: "C"): .right
        case UInt8(ascii: "D"): .left
        case UInt8(ascii: "F"): .end
        case UInt8(ascii: "H"): .home
        case UInt8(ascii: "M"): .enter
        case UInt8(ascii: "P"): .function(1)
        case UInt8(ascii: "Q"): .function(2)
        case UInt8(ascii: "R"): .function(3)
        case UInt8(ascii: "S"): .function(4)
        default: nil
        }
    }

    private static func editingKey(_ number: Int) -> Key? {
        switch number {
        case 1, 7: .home
        case 2: .insert
        case 3: .delete
        case 4, 8: .end
        case 5: .pageUp
        case 6: .pageDown
        case 11...15: .function(number - 10)
        case 17...21: .function(number - 11)
        case 23, 24: .function(number - 12)
        default: nil
        }
    }

    private static func mouse(_ parameters: ArraySlice<UInt8>, final: UInt8) -> Key? {
        let numbers = numbers(parameters)
        guard numbers.count == 3, numbers[1] > 0, numbers[2] > 0 else { return nil }
        // Shift, Alt and Control are bits 4, 8, 16.
        let button = numbers[0] & ~28
        let action: Key.Mouse.Action
        switch (button, final) {
        case (0, UInt8(ascii: "M")): action = .press
        case (0, UInt8(ascii: "m")): action = .release
        case (64, _): action = .wheelUp
        case (65, _): action = .wheelDown
        default: return nil
        }
        return .mouse(Key.Mouse(action: action, row: numbers[2] - 1, column: numbers[1] - 1))
    }

    // MARK: Paste

    private static let pasteEnd: [UInt8] = Array("\u{1B}[201~".utf8)

    /// Moves what belongs to the paste out of the buffer; all but what could be the beginning of
    /// its end.
    private mutating func takePaste(_ position: inout Int, _ keys: inout [Key]) {
        let end = Self.pasteEnd
        while position < buffer.count {
            let rest = buffer[position...]
            if buffer[position] == 0x1B {
                if rest.starts(with: end) {
                    position += end.count
                    mode = .keys
                    keys.append(.paste(String(decoding: pasted, as: UTF8.self)))
                    pasted.removeAll()
                    return
                }
                if rest.count < end.count, end.starts(with: rest) { return }
            }
            if pasted.count < Self.pasteLimit { pasted.append(buffer[position]) }
            position += 1
        }
    }
}
