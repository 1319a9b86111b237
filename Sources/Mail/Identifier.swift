/// A message. Never used again for another one.
package struct MessageID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Positive; below 2⁴⁷, so that a delivery's id fits beside it.
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// Lowercase or uppercase hexadecimal.
    package init?(text: some StringProtocol) {
        guard let value = Int64(text, radix: 16), value > 0, value < 1 << 47 else { return nil }
        rawValue = value
    }

    package var description: String { String(rawValue, radix: 16) }

    package static func < (a: MessageID, b: MessageID) -> Bool { a.rawValue < b.rawValue }
}

/// One message for the recipients of one destination: the message's id and an ordinal in one
/// number, so that the deliveries of a message lie together.
package struct DeliveryID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package init(message: MessageID, ordinal: UInt16) {
        rawValue = message.rawValue << 16 | Int64(ordinal)
    }

    /// "1a2b.0": the message's id, a dot, the ordinal in decimal.
    package init?(text: some StringProtocol) {
        guard let dot = text.firstIndex(of: "."), let message = MessageID(text: text[..<dot]),
            let ordinal = UInt16(text[text.index(after: dot)...])
        else { return nil }
        self.init(message: message, ordinal: ordinal)
    }

    package var message: MessageID { MessageID(rawValue: rawValue >> 16) }
    package var ordinal: UInt16 { UInt16(truncatingIfNeeded: rawValue) }

    package var description: String { "\(message).\(ordinal)" }

    package static func < (a: DeliveryID, b: DeliveryID) -> Bool { a.rawValue < b.rawValue }
}
