/// Reads a terminal's answers to "what is your background colour" (OSC 11) and "what are you" (DA1).
///
/// Every terminal answers the second, so that one that does not know the first is not waited for.
/// Bytes may arrive split anywhere; what is neither answer was typed, and is given back.
struct GroundReply: Sendable {
    /// What is asked: OSC 11 with ST, then DA1.
    static let question: [UInt8] = Array("\u{1B}]11;?\u{1B}\\\u{1B}[c".utf8)
    /// No terminal answers with more.
    private static let limit = 4096

    /// Nil until it has answered, and where it says no colour.
    private(set) var ground: (red: Double, green: Double, blue: Double)?
    /// DA1 has been answered: nothing more comes.
    private(set) var isComplete = false
    /// Keys that came between.
    private(set) var typed: [UInt8] = []
    private var buffer: [UInt8] = []

    mutating func feed(_ bytes: some Sequence<UInt8>) {
        buffer += bytes
        while !isComplete, let used = take() { buffer.removeFirst(used) }
        if buffer.count > Self.limit || isComplete { giveUp() }
    }

    /// Nothing more is waited for: what is left unread was typed.
    mutating func giveUp() {
        typed += buffer
        buffer.removeAll()
    }

    /// How many bytes were understood; nil where there are none, or more are needed.
    private mutating func take() -> Int? {
        guard let first = buffer.first else { return nil }
        guard first == 0x1B else {
            typed.append(first)
            return 1
        }
        if buffer.starts(with: [0x1B, UInt8(ascii: "]")]) { return takeColor() }
        if buffer.starts(with: [0x1B, UInt8(ascii: "["), UInt8(ascii: "?")]) {
            guard let end = buffer.dropFirst(3).firstIndex(where: { (0x40...0x7E).contains($0) })
            else { return nil }
            isComplete = buffer[end] == UInt8(ascii: "c")
            return end + 1
        }
        // ESC, or ESC [, may still become an answer.
        if buffer.count == 1 || buffer == [0x1B, UInt8(ascii: "[")] { return nil }
        typed.append(first)
        return 1
    }

    private mutating func takeColor() -> Int? {
        var index = 2
        while index < buffer.count {
            if buffer[index] == 0x07 {
                read(buffer[2..<index])
                return index + 1
            }
            if buffer[index] == 0x1B, index + 1 < buffer.count, buffer[index + 1] == 0x5C {
                read(buffer[2..<index])
                return index + 2
            }
            index += 1
        }
        return nil
    }

    /// `11;rgb:1e1e/1e1e/2e2e`, with one to four digits each; `rgba:` has a fourth.
    private mutating func read(_ bytes: ArraySlice<UInt8>) {
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasPrefix("11;rgb"), let colon = text.firstIndex(of: ":") else { return }
        let parts = text[text.index(after: colon)...].split(separator: "/")
        let values = parts.compactMap { part -> Double? in
            guard (1...4).contains(part.count), let value = UInt32(part, radix: 16) else {
                return nil
            }
            return Double(value) / Double((1 << (4 * part.count)) - 1)
        }
        guard values.count == parts.count, values.count >= 3 else { return }
        ground = (values[0], values[1], values[2])
    }
}
