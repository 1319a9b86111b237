/// How lists of texts are kept in one column: one line each, or several fields of a line.
///
/// Line feed ends a line, tab ends a field. Where a text holds one of them (no address can; a
/// reply might), or NUL, at which SQLite's LIKE would stop, it is written as SUB and a letter.
package enum TextCoding {
    private static let escape: UInt8 = 0x1A
    static let lineEnd: UInt8 = 0x0A
    static let fieldEnd: UInt8 = 0x09

    /// A byte that needs an escape, and the letter that stands for it.
    private static func letter(for byte: UInt8) -> UInt8? {
        switch byte {
        case 0x00: UInt8(ascii: "0")
        case fieldEnd: UInt8(ascii: "t")
        case lineEnd: UInt8(ascii: "n")
        case escape: UInt8(ascii: "s")
        default: nil
        }
    }

    package static func append(_ text: String, to bytes: inout [UInt8]) {
        let utf8 = text.utf8
        guard utf8.contains(where: { $0 <= escape && letter(for: $0) != nil }) else {
            bytes.append(contentsOf: utf8)
            return
        }
        for byte in utf8 {
            if let letter = letter(for: byte) {
                bytes.append(escape)
                bytes.append(letter)
            } else {
                bytes.append(byte)
            }
        }
    }

    /// A letter that stands for nothing is kept as it is.
    package static func decode(_ text: Substring.UTF8View) -> String {
        guard text.contains(escape) else { return String(Substring(text)) }
        var bytes: [UInt8] = []
        var escaped = false
        for byte in text {
            if escaped {
                switch byte {
                case UInt8(ascii: "0"): bytes.append(0)
                case UInt8(ascii: "t"): bytes.append(fieldEnd)
                case UInt8(ascii: "n"): bytes.append(lineEnd)
                case UInt8(ascii: "s"): bytes.append(escape)
                default: bytes.append(byte)
                }
                escaped = false
            } else if byte == escape {
                escaped = true
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Lines

    package static func lines(_ texts: [String]) -> String {
        var bytes: [UInt8] = []
        for text in texts {
            append(text, to: &bytes)
            bytes.append(lineEnd)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    package static func lines(from text: Substring.UTF8View) -> [String] {
        var lines = text.split(separator: lineEnd, omittingEmptySubsequences: false)
        // What follows the last line end.
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.map(decode)
    }

    // MARK: Recipients

    /// The addresses, a line each, with a line end before the first one too: whatever pattern is
    /// looked for, a line end stands on both sides of an address.
    package static func appendAddresses(_ recipients: [StoredRecipient], to bytes: inout [UInt8]) {
        bytes.append(lineEnd)
        for recipient in recipients {
            append(recipient.address, to: &bytes)
            bytes.append(lineEnd)
        }
    }

    /// What else is known of the recipients, a line each, in the order of the addresses; nothing
    /// at all where nothing is known of any, as with most mail before its first attempt.
    package static func appendAttributes(_ recipients: [StoredRecipient], to bytes: inout [UInt8]) {
        let plain = recipients.allSatisfy {
            $0.notify.isEmpty && $0.originalRecipient.isEmpty && $0.lastReply.isEmpty
        }
        guard !plain else { return }
        for recipient in recipients {
            append(recipient.notify, to: &bytes)
            bytes.append(fieldEnd)
            append(recipient.originalRecipient, to: &bytes)
            bytes.append(fieldEnd)
            append(recipient.lastReply, to: &bytes)
            bytes.append(lineEnd)
        }
    }

    /// How many addresses a column of them holds; nil: it is none.
    package static func recipientCount(_ addresses: UnsafeRawBufferPointer) -> Int? {
        guard addresses.first == lineEnd, addresses.last == lineEnd else { return nil }
        return addresses.reduce(0) { $1 == lineEnd ? $0 + 1 : $0 } - 1
    }

    /// nil: the two do not belong together.
    package static func recipients(addresses: String, attributes: String) -> [StoredRecipient]? {
        guard addresses.utf8.first == lineEnd, addresses.utf8.last == lineEnd else { return nil }
        var recipients = lines(from: Substring(addresses).utf8.dropFirst()).map {
            StoredRecipient(address: $0)
        }
        guard !attributes.isEmpty else { return recipients }
        let lines = Substring(attributes).utf8.split(separator: lineEnd)
        guard lines.count == recipients.count else { return nil }
        for (index, line) in lines.enumerated() {
            let fields = line.split(separator: fieldEnd, omittingEmptySubsequences: false)
            guard fields.count == 3 else { return nil }
            recipients[index].notify = decode(fields[0])
            recipients[index].originalRecipient = decode(fields[1])
            recipients[index].lastReply = decode(fields[2])
        }
        return recipients
    }
}
