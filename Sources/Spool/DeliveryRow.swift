package import Mail

/// A row of a table as an engine hands it out; columns count from 0.
package protocol SpoolRow {
    func int(_ column: Int32) -> Int64
    func optionalInt(_ column: Int32) -> Int64?
    /// Bytes that are not UTF-8 are replaced; NULL is empty.
    func text(_ column: Int32) -> String
    /// The bytes are valid during the call of `body` only.
    func withBlob<R>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> R) -> R
}

/// A row of the table `deliveries` as values.
package enum DeliveryRow {
    /// In the order in which `decode` reads them, and which it looks at for changes.
    package static let columns = """
        id, destination, state, attempts, next_attempt, purge_at, received_at, expires_at, size, \
        flags, domain, sender, recipients, attributes, ret, envelope_id, client, last_reply, \
        last_rule
        """

    /// - Throws: `damaged` for a row that no version of this program has written.
    package static func decode(_ row: some SpoolRow) throws(SpoolError) -> StoredDelivery {
        let id = DeliveryID(rawValue: row.int(0))
        guard id.message.rawValue > 0 else {
            throw .damaged("delivery \(id.rawValue): no such id")
        }
        guard let state = UInt8(exactly: row.int(2)).flatMap(StoredState.init(rawValue:)) else {
            throw .damaged("delivery \(id): state \(row.int(2)) is unknown")
        }
        guard
            let recipients = TextCoding.recipients(
                addresses: row.text(12), attributes: row.text(13))
        else { throw .damaged("delivery \(id): its recipients cannot be read") }
        return StoredDelivery(
            id: id, message: message(row, id: id.message), destination: row.optionalInt(1),
            domain: row.text(10), recipients: recipients, state: state,
            attempts: Int(row.int(3)), nextAttemptAt: UnixTime(milliseconds: row.int(4)),
            purgeAt: row.optionalInt(5).map(UnixTime.init(milliseconds:)),
            lastReply: row.text(17), lastRule: row.text(18),
            isWarned: row.int(9) & warned != 0,
            isAsWritten: EnvelopeChecksum.agrees(
                row.int(9), fixed: sum(row, 11, 14, 15, 16), domain: sum(row, 10),
                recipients: sum(row, 12, 13)))
    }

    private static func sum(_ row: some SpoolRow, _ columns: Int32...) -> EnvelopeChecksum.Sum {
        var sum = EnvelopeChecksum.Sum()
        for column in columns { row.withBlob(column) { sum.add($0) } }
        return sum
    }

    /// In the order in which `figures` reads them.
    package static let figureColumns = """
        id, destination, state, attempts, next_attempt, received_at, size, flags, domain, sender, \
        recipients
        """

    /// - Throws: `damaged` for a row that no version of this program has written.
    package static func figures(_ row: some SpoolRow) throws(SpoolError) -> DeliveryFigures {
        let id = DeliveryID(rawValue: row.int(0))
        guard let state = UInt8(exactly: row.int(2)).flatMap(StoredState.init(rawValue:)) else {
            throw .damaged("delivery \(id): state \(row.int(2)) is unknown")
        }
        guard let recipients = row.withBlob(10, TextCoding.recipientCount) else {
            throw .damaged("delivery \(id): its recipients cannot be read")
        }
        return DeliveryFigures(
            id: id, destination: row.optionalInt(1), state: state, attempts: Int(row.int(3)),
            nextAttemptAt: UnixTime(milliseconds: row.int(4)),
            receivedAt: UnixTime(milliseconds: row.int(5)), size: Int(row.int(6)),
            priority: priority(in: row.int(7)), recipients: recipients, domain: row.text(8),
            sender: row.text(9))
    }

    package static func message(_ row: some SpoolRow, id: MessageID) -> MessageRecord {
        var message = message(
            id: id, sender: row.text(11), receivedAt: UnixTime(milliseconds: row.int(6)),
            expiresAt: UnixTime(milliseconds: row.int(7)), size: Int(row.int(8)),
            flags: row.int(9))
        message.ret = row.text(14)
        message.envelopeID = row.text(15)
        message.client = row.text(16)
        return message
    }

    static func message(
        id: MessageID, sender: String, receivedAt: UnixTime, expiresAt: UnixTime, size: Int,
        flags: Int64
    ) -> MessageRecord {
        MessageRecord(
            id: id, sender: sender, receivedAt: receivedAt, expiresAt: expiresAt, size: size,
            eightBit: flags & eightBit != 0, utf8: flags & utf8 != 0,
            leadingDots: flags & leadingDots != 0, priority: priority(in: flags))
    }

    /// Four bits of the flags, in two's complement.
    private static let priorityShift: Int64 = 4
    /// The same in SQL.
    package static let priorityColumn = "(((flags >> \(priorityShift) & 15) + 8) % 16 - 8)"

    static func priority(in flags: Int64) -> Int {
        Int(((flags >> priorityShift & 15) + 8) % 16 - 8)
    }

    private static let eightBit: Int64 = 1
    private static let utf8: Int64 = 2
    private static let leadingDots: Int64 = 4
    /// Of the delivery, not of the message; a copy that routing makes of it keeps it.
    package static let warned: Int64 = 8

    package static func flags(of message: MessageRecord) -> Int64 {
        (message.eightBit ? eightBit : 0) | (message.utf8 ? utf8 : 0)
            | (message.leadingDots ? leadingDots : 0)
            | (Int64(min(max(message.priority, -8), 7)) & 15) << priorityShift
    }

    /// The code that a reply begins with (RFC 5321 §4.2: three digits, then a space, a hyphen or
    /// nothing); 0 for what is not a reply, such as a failed connection.
    package static func code(ofReply reply: String) -> Int64 {
        var code: Int64 = 0
        var digits = 0
        for byte in reply.utf8 {
            if digits == 3 {
                return byte == UInt8(ascii: " ") || byte == UInt8(ascii: "-") ? code : 0
            }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return 0 }
            code = code * 10 + Int64(byte - UInt8(ascii: "0"))
            digits += 1
        }
        return digits == 3 ? code : 0
    }
}
