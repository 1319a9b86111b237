import Mail

extension Page {
    /// One page of the rows of several sources.
    ///
    /// Each source's rows stay in the order in which it gave them: where they moved while they were
    /// read, no row is lost for it.
    ///
    /// - Parameter pages: of each source its first `offset + limit` rows at least, or all of them;
    ///   with the first row at `base`, which is how many rows of all sources come before these.
    package static func merged(
        _ pages: [Page], _ order: RowOrder<Row>, offset: Int, limit: Int, base: Int = 0
    ) -> Page {
        let places = pages.map { page in page.rows.map { order.place($0, page.at) } }
        var heads = [Int](repeating: 0, count: pages.count)
        var rows: [Row] = []
        let end = offset - base + limit
        for taken in 0..<max(0, end) {
            var best: Int?
            for source in pages.indices where heads[source] < places[source].count {
                guard let other = best else {
                    best = source
                    continue
                }
                if order.precedes(places[source][heads[source]], places[other][heads[other]]) {
                    best = source
                }
            }
            guard let best else { break }
            if taken >= offset - base { rows.append(pages[best].rows[heads[best]]) }
            heads[best] += 1
        }
        return Page(
            at: pages.map(\.at).max() ?? UnixTime(milliseconds: 0),
            total: pages.reduce(0) { $0 + $1.total }, offset: offset, rows: rows)
    }

    /// The rows of one source after those of another, each in its own order.
    package static func concatenated(_ pages: [Page]) -> Page {
        Page(
            at: pages.map(\.at).max() ?? UnixTime(milliseconds: 0),
            total: pages.reduce(0) { $0 + $1.total }, offset: 0, rows: pages.flatMap(\.rows))
    }
}

extension Page where Row == DestinationRow {
    package static func merged(
        _ pages: [Page], sort: String?, descending: Bool, offset: Int, limit: Int
    ) -> Page {
        merged(
            pages, .destinations(sort: sort, descending: descending), offset: offset, limit: limit)
    }
}

extension Page where Row == MessageRow {
    package static func merged(
        _ pages: [Page], sort: String?, descending: Bool, offset: Int, limit: Int
    ) -> Page {
        merged(pages, .messages(sort: sort, descending: descending), offset: offset, limit: limit)
    }
}

extension Page where Row == ActionRow {
    /// The latest first.
    package static func merged(_ pages: [Page], limit: Int) -> Page {
        merged(pages, .actions, offset: 0, limit: limit)
    }
}
