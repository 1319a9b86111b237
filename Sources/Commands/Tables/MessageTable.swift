package import Control
package import Mail

extension Table {
    package static func messages(_ rows: [MessageRow], now: UnixTime) -> Table {
        Table(
            columns: [
                Column("ID", priority: 100),
                Column("STATE", priority: 90),
                Column("RECIPIENT", priority: 95, minimum: 16),
                Column("SENDER", priority: 60, minimum: 12),
                Column("SIZE", .right, priority: 50),
                Column("AGE", .right, priority: 80),
                Column("TRIES", .right, priority: 40),
                Column("NEXT", .right, priority: 85),
                Column("DESTINATION", priority: 35, minimum: 12),
                Column("WHY", priority: 88, minimum: 28),
                Column("LAST REPLY", priority: 30, minimum: 24),
            ],
            rows: rows.map { row in
                [
                    SafeText(row.id).text, row.state.rawValue, recipients(row),
                    sender(row.sender), Format.size(row.size),
                    Format.span(from: row.receivedAt, to: now), String(row.attempts),
                    (row.purgeAt ?? row.nextAttemptAt ?? row.why.until).map {
                        Format.span(from: now, to: $0)
                    } ?? "",
                    SafeText(row.destinationName ?? row.destination ?? "").text,
                    SafeText(row.why.text).text, SafeText(row.lastReply ?? "").text,
                ]
            }
        ).locating(rows, before: 2)
    }

    /// The null sender as SMTP writes it.
    static func sender(_ address: String) -> String {
        address.isEmpty ? "<>" : SafeText(address).text
    }

    private static func recipients(_ row: MessageRow) -> String {
        guard let first = row.recipients.first else { return "" }
        let more = row.recipients.count - 1
        return SafeText(first).text + (more > 0 ? " +\(more)" : "")
    }
}
