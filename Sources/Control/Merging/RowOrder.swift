import Filter
package import Mail

/// The order in which a daemon gives rows: by a key, then by a number; what has no key is last.
package struct RowOrder<Row>: Sendable {
    package struct Place: Sendable {
        package var key: SortKey
        package var number: Int64

        package init(key: SortKey, number: Int64) {
            self.key = key
            self.number = number
        }
    }

    package var isDescending: Bool
    /// Where a row belongs that was so at that time.
    package var place: @Sendable (Row, UnixTime) -> Place

    package init(
        isDescending: Bool = false, place: @escaping @Sendable (Row, UnixTime) -> Place
    ) {
        self.isDescending = isDescending
        self.place = place
    }

    package func precedes(_ a: Place, _ b: Place) -> Bool {
        SortKey.precedes(a.key, a.number, b.key, b.number, descending: isDescending)
    }
}

extension RowOrder where Row == DestinationRow {
    /// - Parameter sort: a field of the filter language; nil: those with the most mail first.
    package static func destinations(sort: String?, descending: Bool) -> RowOrder {
        let field = sort ?? "queued"
        return RowOrder(isDescending: sort == nil || descending) { row, now in
            Place(
                key: SortKey(row.value(of: field, at: now)), number: QualifiedID(row.id).number ?? 0
            )
        }
    }
}

extension RowOrder where Row == MessageRow {
    /// As the spool sorts: what is missing is less than all else, text goes by its bytes with small
    /// letters for capital ones (of ASCII), and what is no field to sort by leaves the order of
    /// ids.
    ///
    /// - Parameter sort: a field of the filter language; nil: by the ids.
    package static func messages(sort: String?, descending: Bool) -> RowOrder {
        let field = sort ?? "id"
        return RowOrder(
            isDescending: descending
        ) { row, now in
            Place(key: row.key(field), number: QualifiedID(row.id).delivery ?? 0)
        }
    }
}

extension MessageRow {
    fileprivate func key(_ field: String) -> SortKey {
        switch field {
        case "domain": .text(Self.folded(domain))
        case "sender": .text(Self.folded(sender))
        case "recipient": .text(Self.folded(recipients.joined(separator: "\n")))
        case "reply": .text(Self.folded(lastReply ?? ""))
        case "size": .number(Double(size))
        case "attempts": .number(Double(attempts))
        case "priority": .number(Double(priority ?? 0))
        // What is due is not said exactly: it is before all else.
        case "next": .number(nextAttemptAt?.seconds ?? -.infinity)
        case "expires": .number(expiresAt.seconds)
        case "code": .number(lastReply.flatMap { Double($0.prefix(3)) } ?? 0)
        // The youngest came last.
        case "age": .number(-receivedAt.seconds)
        case "state":
            .number(Double(DeliveryState.allCases.firstIndex(of: state) ?? 0))
        case "destination":
            destinationName.map { .text(Self.folded($0)) } ?? .number(-.infinity)
        default: .number(Double(QualifiedID(id).delivery ?? 0))
        }
    }

    private static func folded(_ text: String) -> String {
        String(
            decoding: text.utf8.map { (65...90).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    }
}

extension RowOrder where Row == ActionRow {
    /// The latest first.
    package static var actions: RowOrder {
        RowOrder(isDescending: true) { row, _ in
            Place(key: .number(row.at.seconds), number: -(QualifiedID(row.id).number ?? 0))
        }
    }
}
