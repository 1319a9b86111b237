import Filter
import Mail
import NIOCore
import Testing

@testable import Spool

/// The index in memory against the table that it stands for.
@Suite("The index of deliveries")
struct DeliveryIndexTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let sorts: [String?] = [
        nil, "id", "message", "domain", "sender", "recipient", "size", "age", "attempts",
        "priority", "next", "expires", "state", "code", "reply", "destination", "nonsense",
    ]

    /// What a page shows of a row.
    private func shown(_ row: StoredDelivery) -> StoredDelivery {
        var row = row
        row.message.client = ""
        row.message.ret = ""
        row.message.envelopeID = ""
        row.recipients = row.recipients.map { StoredRecipient(address: $0.address) }
        return row
    }

    private func agree(
        _ spool: SQLiteSpool, _ query: DeliveryQuery,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let (page, table) = (try spool.page(query), try spool.pageFromTable(query))
        let text = query.filter.map(NaiveFilter.describe) ?? "all"
        let what = "\(text) by \(query.sort ?? "nil") \(query.descending) at \(query.offset)"
        try #require(page.total == table.total, "\(what)", sourceLocation: location)
        try #require(page.offset == table.offset, "\(what)", sourceLocation: location)
        try #require(
            page.rows.map(\.id) == table.rows.map(\.id), "\(what)", sourceLocation: location)
        try #require(page.rows == table.rows.map(shown), "\(what)", sourceLocation: location)
        // As if it were far too many to be sorted.
        if let index = spool.index {
            let counted = try index.snapshot().page(query, few: 3) { _ in }
            try #require(
                counted.rows.map(\.id) == table.rows.map(\.id), "\(what), counted",
                sourceLocation: location)
        }
        try #require(
            try spool.select(query) == spool.selectFromTable(query), "\(what)",
            sourceLocation: location)
    }

    private func agree(_ spool: SQLiteSpool, _ random: inout SplitMix, filters: Int) throws {
        let rows = try spool.all()
        guard !rows.isEmpty else { return try agree(spool, DeliveryQuery(filter: nil, now: noon)) }
        let running = (0..<5).map { _ in random.pick(rows).id }
        func query(_ filter: FilterExpression?, _ sort: String?) -> DeliveryQuery {
            DeliveryQuery(
                filter: filter, sort: sort, descending: random.below(2) == 0,
                limit: Int(random.below(60)), offset: Int(random.below(Int64(rows.count))),
                around: random.below(3) == 0 ? random.pick(rows).id : nil, now: noon,
                destinationsMatching: { NaiveFilter.destinations($0) },
                running: { running })
        }
        for sort in Self.sorts { try agree(spool, query(nil, sort)) }
        for _ in 0..<filters {
            let filter = NaiveFilter.randomExpression(&random, depth: 3, rows: rows)
            try agree(spool, query(filter, random.pick(Self.sorts)))
        }
        let ids = (rows.map(\.id) + [id(999_999), DeliveryID(rawValue: 70_000)]).sorted()
        #expect(try spool.figures(ids) == spool.figuresFromTable(ids))
        for destinations in [[], [1], [2, 4, 77]] as [Set<Int64>] {
            var (found, last): ([DeliveryFigures], DeliveryID?) = ([], nil)
            while let part = try spool.queue(of: destinations, after: last, limit: 7) {
                #expect(part.deliveries.count <= 7)
                found += part.deliveries
                last = part.last
                if part.isLast { break }
            }
            let wanted = rows.filter { $0.destination.map(destinations.contains) ?? false }
            #expect(try found == spool.figuresFromTable(wanted.map(\.id)))
        }
        #expect(try spool.tallies() == spool.talliesFromTable())
        #expect(try spool.unrouted() == rows.filter { $0.state == .routing })
        #expect(try spool.messageCount() == Set(rows.map(\.id.message)).count)
        let bounds = (ages: [1.0, 5, 100], due: [1.0, 3])
        func sorted(_ census: QueueCensus) -> [String] {
            census.tallies.map { "\($0)" }.sorted()
        }
        #expect(
            sorted(try spool.census(ages: bounds.ages, due: bounds.due, at: noon))
                == sorted(try spool.censusOfTable(ages: bounds.ages, due: bounds.due, at: noon)))
    }

    private struct Writer {
        var random: SplitMix
        var next: Int64 = 1
        let domains = ["example.com", "Example.COM", "a_b.example", "x", "", "caf\u{E9}.example"]
        let replies = ["", "421 4.7.0 slow", "450-4.2.1 busy", "550 5.1.1 no", "timed out", "250"]

        mutating func time() -> UnixTime {
            UnixTime(milliseconds: noon.milliseconds + (random.below(9) - 4) * 900)
        }

        mutating func recipients() -> [StoredRecipient] {
            (0..<random.below(4)).map { _ in
                StoredRecipient(
                    address: random.pick(["a", "B", "ab", "c\u{FC}", "d\te"]) + "@"
                        + random.pick(domains),
                    notify: random.pick(["", "NEVER"]))
            }
        }

        mutating func delivery(_ id: DeliveryID) -> NewDelivery {
            NewDelivery(
                id: id, destination: random.below(4) == 0 ? nil : random.below(5) + 1,
                domain: random.pick(domains), recipients: recipients(), nextAttemptAt: time())
        }

        /// One more message, also with an id below those of others.
        mutating func accept() -> SpoolWrite {
            let number = next ^ 5
            next += 1
            let message = MessageRecord(
                id: MessageID(rawValue: number + 8),
                sender: random.pick(["", "a@x", "A@X", "<>", "s\(random.below(50))@y"]),
                receivedAt: time(), expiresAt: time(), size: Int(random.below(5)) * 1000,
                eightBit: random.below(2) == 0, utf8: random.below(2) == 0,
                leadingDots: random.below(2) == 0, ret: "FULL", envelopeID: "e", client: "c",
                priority: Int(random.below(8)) - 3)
            let deliveries = (0...random.below(2)).map {
                delivery(DeliveryID(message: message.id, ordinal: UInt16($0)))
            }
            return .accept(
                NewMessage(record: message, body: ByteBuffer(string: "x"), deliveries: deliveries))
        }

        mutating func some(_ rows: [StoredDelivery]) -> [DeliveryID] {
            (0..<random.below(8)).map { _ in random.pick(rows).id } + [id(888_888)]
        }

        mutating func change(_ rows: [StoredDelivery]) -> SpoolWrite {
            let row = random.pick(rows)
            switch random.below(11) {
            case 0, 1: return .remove(row.id)
            case 2, 3:
                return .update(
                    DeliveryUpdate(
                        id: row.id, attempts: Int(random.below(5)), nextAttemptAt: time(),
                        lastReply: random.pick(replies),
                        recipients: random.below(2) == 0 ? nil : recipients()))
            case 4, 5:
                return .mark(
                    some(rows),
                    from: Set(StoredState.allCases.filter { _ in random.below(2) == 0 }),
                    to: random.pick(StoredState.allCases), at: random.below(2) == 0 ? nil : noon)
            case 6:
                return .removeAll(
                    some(rows), in: random.pick(StoredState.allCases), countedFor: 1)
            case 7: return .reschedule(some(rows), at: time())
            case 8:
                // Into itself, into another, into both or none.
                let other = DeliveryID(
                    message: row.id.message, ordinal: 1000 + UInt16(next & 0xFFF))
                next += 1
                let into = [row.id, other].filter { _ in random.below(3) > 0 }
                return .route(row.id, into: into.map { delivery($0) })
            case 9:
                return .destination(
                    DestinationRecord(
                        id: random.below(6) + 1, identity: "i\(random.below(1 << 40))",
                        name: random.pick(["zeta", "Alpha", "alpha", "m"]), domains: []))
            default:
                return random.below(2) == 0
                    ? .forgetDestination(random.below(6) + 1) : .warned(row.id)
            }
        }
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func agreesWithTheTableAfterWritesOfAllKinds(_ seed: UInt64) throws {
        var spool = try SQLiteSpool(directory: directory.path)
        var writer = Writer(random: SplitMix(state: seed))
        for round in 0..<25 {
            let rows = try spool.all()
            var writes: [SpoolWrite] = (0..<(round < 15 ? 60 : 5)).map { _ in writer.accept() }
            if !rows.isEmpty { writes += (0..<30).map { _ in writer.change(rows) } }
            try spool.commit(writes)
            try agree(spool, &writer.random, filters: 15)
            // A batch that fails changes nothing here either.
            if let taken = try spool.all().first {
                #expect(throws: SpoolError.self) {
                    try spool.commit([
                        .remove(taken.id), writer.accept(),
                        .accept(
                            NewMessage(
                                record: record(0), body: ByteBuffer(string: "x"), deliveries: [])),
                    ])
                }
            }
            if round % 8 == 7 {
                spool.close()
                spool = try SQLiteSpool(directory: directory.path)
                try agree(spool, &writer.random, filters: 15)
            }
        }
    }

    /// More than a block holds, out of order, and most of it removed again.
    @Test func manyBlocks() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        var random = SplitMix(state: 9)
        var numbers = Array(1...4000 as ClosedRange<Int64>)
        for index in numbers.indices {
            numbers.swapAt(index, index + Int(random.below(Int64(min(700, 4000 - index)))))
        }
        for start in stride(from: 0, to: 4000, by: 500) {
            try spool.commit(
                numbers[start..<start + 500].map { number in
                    var mail = message(number, destinations: [number % 3])
                    mail.deliveries[0].recipients = [
                        StoredRecipient(address: "User\(number)@x.example")
                    ]
                    return .accept(mail)
                })
            try agree(spool, &random, filters: 3)
        }
        let held = try #require(spool.index).snapshot()
        for start in stride(from: 0, to: 3900, by: 650) {
            try spool.commit(numbers[start..<start + 650].map { .remove(id($0)) })
            try agree(spool, &random, filters: 3)
        }
        // What was taken before does not change.
        let all = try held.page(
            DeliveryQuery(filter: nil, sort: "recipient", limit: 4000, now: noon)
        ) { Issue.record("\($0)") }
        #expect(all.total == 4000 && Set(all.rows.map(\.id)).count == 4000)
        #expect(
            all.rows.map { $0.recipients[0].address.lowercased() }
                == (1...4000).map { "user\($0)@x.example" }.sorted())
    }

    /// Far into a long list, where not all is sorted.
    @Test(arguments: ["recipient", "next", "-size", "sender", "-age"])
    func deepPages(_ sort: String) throws {
        let spool = try SQLiteSpool(directory: directory.path)
        var random = SplitMix(state: 4)
        try spool.commit(
            (1...6000 as ClosedRange<Int64>).map { number in
                var mail = message(number)
                mail.record.sender = "s\(random.below(3000))@X"
                mail.record.size = Int(random.below(40))
                mail.record.receivedAt = UnixTime(milliseconds: noon.milliseconds - number)
                mail.deliveries[0].nextAttemptAt = UnixTime(milliseconds: number * 7919 % 6007)
                mail.deliveries[0].recipients = [
                    StoredRecipient(address: "\(random.below(9999))@x.example")
                ]
                return .accept(mail)
            })
        for offset in [0, 1, 2999, 5950, 5999, 6000, .max] {
            try agree(
                spool,
                DeliveryQuery(
                    filter: nil, sort: String(sort.drop { $0 == "-" }),
                    descending: sort.hasPrefix("-"), limit: 50, offset: offset, now: noon))
        }
    }

    /// All that a page needs to know of numbers of any spread, also where most are the same.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func rangesHoldThePage(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        let spread = Int64(1) << random.below(62)
        let cluster = random.below(spread)
        let numbers = (0..<2000).map { _ in
            switch random.below(3) {
            case 0: UInt64(cluster)
            case 1: UInt64.max - UInt64(random.below(3))
            default: UInt64(random.below(spread))
            }
        }
        let sorted = numbers.sorted()
        for _ in 0..<50 {
            let first = Int(random.below(2000))
            let places = first..<min(2000, first + Int(random.below(60)) + 1)
            let ranges = NumberRange.of(numbers, at: places, few: 10)
            for range in ranges {
                let held = numbers.filter { $0 >= range.low && $0 <= range.high }
                #expect(held.count == range.count)
                #expect(numbers.count { $0 < range.low } == range.before)
                #expect(range.low == range.high || range.count <= 10 || places.count > 5)
            }
            let covered = ranges.flatMap { range in
                places.clamped(to: range.before..<range.before + range.count).map { $0 }
            }
            #expect(covered == Array(places))
            #expect(ranges.map(\.low) == ranges.map(\.low).sorted())
            #expect(ranges.allSatisfy { range in places.contains { sorted[$0] >= range.low } })
        }
    }

    @Test func textsAreComparedAsInTheTable() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        for (number, text) in ["", "a", "A", "b*", "a?c", "%", "_", "e\u{301}", "\u{E9}", "Z"]
            .enumerated()
        {
            var mail = message(Int64(number) + 1)
            mail.record.sender = text
            mail.deliveries[0].recipients = [StoredRecipient(address: text)]
            try spool.commit([.accept(mail)])
        }
        let values = [
            "", "a", "A*", "*", "**", "?", "b?", "a?c", "%", "_", "<>", "*c", "\u{E9}", "m",
        ]
        for name in ["sender", "recipient", "id", "message"] {
            for value in values + ["1", "1.0", "a.0", "1*", "*.0"] {
                for op in ["=", "!=", "~", "!~", "<", "<=", ">", ">="] {
                    let comparison = FilterComparison(
                        field: FilterField(name: name, kind: .text, help: ""),
                        op: FilterComparison.Operator(rawValue: op)!, value: .text(value))
                    // No address is empty, so that only an empty one can tell the difference.
                    if name == "recipient", value == "**" { continue }
                    try agree(spool, DeliveryQuery(filter: .comparison(comparison), now: noon))
                }
            }
        }
    }

    @Test func numbersOfAnySizeAreCompared() throws {
        let spool = try SQLiteSpool(directory: directory.path)
        try spool.commit((1...20).map { .accept(message($0)) })
        let values: [Double] = [
            0, -0.0, 0.5, -0.5, 1, 11, 10.999, -1, 1e15, -1e15, 1e18, -1e18, 1e300, -1e300,
            .infinity, -.infinity, .nan,
        ]
        for name in ["size", "attempts", "priority", "age", "next", "expires", "code"] {
            for value in values {
                for op in ["=", "!=", "<", "<=", ">", ">="] {
                    let comparison = FilterComparison(
                        field: FilterField(name: name, kind: .number, help: ""),
                        op: FilterComparison.Operator(rawValue: op)!, value: .number(value))
                    try agree(spool, DeliveryQuery(filter: .comparison(comparison), now: noon))
                }
            }
        }
    }
}
