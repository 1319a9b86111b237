import Control
import Filter
import Mail
import Testing

@Suite struct PageMergingTests {
    private static let now = UnixTime(milliseconds: 1_000_000_000)

    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ state >> 29
        }
    }

    private static func destinations(_ host: String, _ seed: UInt64) -> [DestinationRow] {
        var random = Generator(state: seed)
        return (1...60).map { number in
            var row = DestinationRow(
                id: "\(host)/\(number)", key: 0, name: "d\(Int.random(in: 0..<9, using: &random))")
            row.host = host
            row.queued = Int.random(in: 0..<5, using: &random)
            row.rate = Bool.random(using: &random) ? Double.random(in: 0..<3, using: &random) : nil
            row.oldestAt =
                Bool.random(using: &random)
                ? UnixTime(milliseconds: .random(in: 0..<9, using: &random)) : nil
            return row
        }
    }

    /// As the daemon sorts the rows of one table.
    private static func sorted<Row>(_ rows: [Row], _ order: RowOrder<Row>) -> [Row] {
        rows.sorted { order.precedes(order.place($0, now), order.place($1, now)) }
    }

    @Test(arguments: [nil, "queued", "name", "rate", "age", "id"] as [String?], [false, true])
    func destinationsMergeAsOneTableWouldSort(sort: String?, descending: Bool) {
        let order = RowOrder.destinations(sort: sort, descending: descending)
        // The tables have the same numbers: which of two equal rows is first is the sources' order.
        let sources = [Self.destinations("mx1", 1), Self.destinations("mx2", 2)]
        let all = sources[0].indices.flatMap { [sources[0][$0], sources[1][$0]] }
        let expected = all.enumerated().sorted { a, b in
            let (left, right) = (
                order.place(a.element, Self.now), order.place(b.element, Self.now)
            )
            if order.precedes(left, right) { return true }
            return !order.precedes(right, left) && a.offset < b.offset
        }.map(\.element.id)
        for (offset, limit) in [(0, 10), (7, 25), (100, 50), (120, 5)] {
            let pages = sources.map { rows in
                Page(
                    at: Self.now, total: rows.count, offset: 0,
                    rows: Array(Self.sorted(rows, order).prefix(offset + limit)))
            }
            let page = Page.merged(
                pages, sort: sort, descending: descending, offset: offset, limit: limit)
            #expect(page.total == 120 && page.offset == offset)
            #expect(page.rows.map(\.id) == Array(expected.dropFirst(offset).prefix(limit)))
        }
    }

    /// What lacks the field is last in both directions.
    @Test(arguments: [false, true]) func missingIsLast(descending: Bool) {
        var (with, without) = (
            DestinationRow(id: "a/9", key: 0, name: "x"),
            DestinationRow(id: "b/1", key: 0, name: "y")
        )
        with.rate = 1
        without.rate = nil
        let page = Page.merged(
            [without, with].map { Page(at: Self.now, total: 1, offset: 0, rows: [$0]) },
            sort: "rate", descending: descending, offset: 0, limit: 10)
        #expect(page.rows.map(\.id) == ["a/9", "b/1"])
    }

    @Test func aSourceThatMovedLosesNothing() {
        // The second source is not in order: its rows are all there, in its order.
        let rows = [3, 1, 2].map { (queued: Int) -> DestinationRow in
            var row = DestinationRow(id: "\(queued)", key: 0, name: "")
            row.queued = queued
            return row
        }
        let page = Page.merged(
            [
                Page(at: Self.now, total: 1, offset: 0, rows: [rows[2]]),
                Page(at: Self.now, total: 2, offset: 0, rows: [rows[1], rows[0]]),
            ], sort: "queued", descending: true, offset: 0, limit: 10)
        #expect(page.rows.map(\.id) == ["2", "1", "3"])
    }

    private static func message(
        _ id: String, age: Int64 = 0, sender: String = "", state: DeliveryState = .ready
    ) -> MessageRow {
        MessageRow(
            id: id, message: id, sender: sender, recipients: ["a@b"], domain: "b", size: 1,
            receivedAt: UnixTime(milliseconds: now.milliseconds - age * 1000), expiresAt: now,
            state: state, attempts: 0, why: Why(kind: "nothing", text: ""))
    }

    private static func merged(
        _ lists: [[MessageRow]], sort: String?, descending: Bool = false
    ) -> [String] {
        Page.merged(
            lists.map { Page(at: now, total: $0.count, offset: 0, rows: $0) }, sort: sort,
            descending: descending, offset: 0, limit: 100
        ).rows.map(\.id)
    }

    /// Ids are numbers: "a" is before "10".
    @Test func messagesMergeByTheirIds() {
        let lists = [["mx1/a.0", "mx1/a.10", "mx1/10.0"], ["mx2/9.2", "mx2/a.2"]].map { ids in
            ids.map { Self.message($0) }
        }
        #expect(
            Self.merged(lists, sort: nil)
                == ["mx2/9.2", "mx1/a.0", "mx2/a.2", "mx1/a.10", "mx1/10.0"])
        // As the spool: what it has no order for is in that of the ids.
        #expect(Self.merged(lists, sort: "why").first == "mx2/9.2")
    }

    @Test func messagesMergeByFields() {
        let a = [
            Self.message("1.0", age: 5, sender: "B@x", state: .held),
            Self.message("2.0", age: 9, sender: "c@x", state: .purging),
        ]
        let b = [Self.message("3.0", age: 7, sender: "", state: .ready)]
        #expect(Self.merged([a, b], sort: "age") == ["1.0", "3.0", "2.0"])
        #expect(
            Self.merged([a.reversed(), b], sort: "age", descending: true) == ["2.0", "3.0", "1.0"])
        #expect(Self.merged([a, b], sort: "sender") == ["3.0", "1.0", "2.0"])
        #expect(Self.merged([a, b], sort: "state") == ["3.0", "1.0", "2.0"])
    }

    /// Every field that a list can be sorted by has a value somewhere.
    @Test func rowsHaveTheFieldsOfTheLanguage() {
        var row = DestinationRow(id: "mx1/7", key: 0, name: "a")
        row.worker = 1
        row.node = "a"
        row.tokens = 1
        row.rate = 1
        row.oldestAt = Self.now
        row.nextAttemptAt = Self.now
        row.lastReply = "250 ok"
        for field in FilterFields.destinations.fields {
            #expect(row.value(of: field.name, at: Self.now) != nil, "\(field.name)")
        }
        #expect(row.value(of: "id", at: Self.now) == .number(7))
        var message = Self.message("mx1/a.0")
        message.destination = "mx1/7"
        message.worker = 1
        message.node = "a"
        message.lastReply = "421 no"
        for field in FilterFields.messages.fields {
            #expect(message.value(of: field.name, at: Self.now) != nil, "\(field.name)")
        }
        #expect(message.value(of: "id", at: Self.now) == .text("a.0"))
        #expect(message.value(of: "code", at: Self.now) == .number(421))
    }

    @Test func actionsMergeLatestFirst() {
        let rows = [("mx1/3", 9), ("mx1/2", 5), ("mx2/8", 7)].map { id, at in
            ActionRow(
                id: id, action: .retry, at: UnixTime(milliseconds: Int64(at)), by: "", reason: "",
                target: "", counts: Counts(), state: .done, undoUntil: nil, result: "")
        }
        let page = Page.merged(
            [
                Page(at: Self.now, total: 2, offset: 0, rows: Array(rows[..<2])),
                Page(at: Self.now, total: 1, offset: 0, rows: [rows[2]]),
            ], limit: 2)
        #expect(page.rows.map(\.id) == ["mx1/3", "mx2/8"] && page.total == 3)
    }
}
