import Filter
import Mail
import NIOCore
import Testing

@testable import Spool

private func comparison(
    _ field: String, _ op: FilterComparison.Operator, _ value: FilterComparison.Value
) -> FilterExpression {
    .comparison(
        FilterComparison(
            field: FilterField(name: field, kind: .text, help: ""), op: op, value: value))
}

@Suite("Filters in SQL")
struct FilterSQLTests {
    private func select(
        _ filter: FilterExpression?, in spool: any Spool, running: [DeliveryID] = [],
        matching: @escaping @Sendable (FilterComparison) -> [Int64] = { _ in [] }
    ) throws -> [DeliveryID] {
        let query = DeliveryQuery(
            filter: filter, now: noon, destinationsMatching: matching, running: { running })
        // The other one has no index beside its table.
        let selected =
            try (spool as? SQLiteSpool)?.selectFromTable(query) ?? spool.select(query)
        #expect(try spool.select(query) == selected)
        return Array(selected)
    }

    @Test(arguments: Engine.allCases) func textOfAnyKindIsDataAndNeverSQL(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        let odd = ["'; DROP TABLE deliveries; --", "%", "_", "\\", "\"x y\"@z", "a?c", "[a-z]"]
        for (index, text) in odd.enumerated() {
            let number = Int64(index + 1)
            var mail = message(number)
            mail.record.sender = text
            mail.deliveries = [delivery(id(number), domain: text, to: [text])]
            try spool.commit([.accept(mail)])
        }
        for (index, text) in odd.enumerated() {
            for field in ["sender", "domain", "recipient"] {
                for op in [FilterComparison.Operator.equal, .contains] {
                    let found = try select(comparison(field, op, .text(text)), in: spool)
                    #expect(found.contains(id(Int64(index + 1))), "\(field) \(op) \(text)")
                    #expect(found.count == 1, "\(field) \(op) \(text): \(found)")
                }
            }
            #expect(try spool.page(DeliveryQuery(filter: nil, sort: text, now: noon)).total == 7)
        }
        #expect(try select(comparison("sender", .equal, .text("*")), in: spool).count == odd.count)
    }

    @Test(arguments: Engine.allCases) func wildcardsStayWithinOneRecipient(_ engine: Engine) throws
    {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        var mail = message(1)
        mail.deliveries = [delivery(id(1), to: ["ab@x.example", "cd@y.example"])]
        try spool.commit([.accept(mail)])
        let cases = [
            ("ab@*", true), ("*@y.example", true), ("c*@x.example", false), ("*x*y*", false),
            ("ab@x.exampl?", true), ("ab@x.example?cd@y.example", false), ("*", true),
            ("?b@x.example", true), ("ab@x.example\ncd@y.example", false), ("b@*", false),
            ("a*e", true), ("AB@X.EXAMPLE", true),
        ]
        for (pattern, matches) in cases {
            let found = try select(comparison("recipient", .equal, .text(pattern)), in: spool)
            #expect(!found.isEmpty == matches, "\(pattern)")
            let others = try select(comparison("recipient", .notEqual, .text(pattern)), in: spool)
            #expect(others.isEmpty == matches, "\(pattern)")
        }
    }

    @Test(arguments: Engine.allCases) func limitsAreErrorsAndNotCrashes(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([.accept(message(1))])
        let condition = comparison("code", .notEqual, .codeClass(4))
        var left = condition
        var right = condition
        for _ in 0..<400 {
            left = .and(left, condition)
            right = .or(condition, right)
        }
        #expect(try select(left, in: spool) == [id(1)])
        #expect(try select(right, in: spool) == [id(1)])
        var negated = condition
        for _ in 0..<401 { negated = .not(negated) }
        #expect(try select(negated, in: spool).isEmpty)

        // As deep as is allowed, with the most complicated condition innermost.
        let state = comparison("state", .notContains, .text(""))
        var deep = state
        for _ in 0..<7 { deep = .or(condition, .not(.and(condition, deep))) }
        _ = try select(.and(condition, deep), in: spool, running: [id(1)])
        deep = state
        for _ in 0..<11 { deep = .and(condition, .or(condition, deep)) }
        _ = try select(.not(deep), in: spool, running: [id(1)])
        expectError(.refused, mentions: "deep") {
            _ = try select(.or(condition, .not(deep)), in: spool)
        }
        for _ in 0..<2000 { deep = .and(condition, .or(condition, deep)) }
        expectError(.refused, mentions: "deep") { _ = try select(deep, in: spool) }
        for _ in 0..<2000 { left = .and(left, condition) }
        expectError(.refused, mentions: "too large") { _ = try select(left, in: spool) }

        let long = String(repeating: "%", count: 20_000)
        #expect(try select(comparison("domain", .contains, .text(long)), in: spool).isEmpty)
        expectError(.refused, mentions: "20000") {
            _ = try select(comparison("recipient", .contains, .text(long + "%")), in: spool)
        }
        for value in [Double.nan, .infinity, -.infinity, 1e300] {
            for field in ["size", "attempts", "priority", "age", "next", "code"] {
                #expect(try select(comparison(field, .equal, .number(value)), in: spool).isEmpty)
            }
        }
        #expect(try select(comparison("code", .equal, .codeClass(.max)), in: spool).isEmpty)
        let page = DeliveryQuery(filter: nil, limit: -5, offset: -5, now: noon)
        #expect(try spool.page(page).rows.isEmpty)
    }

    @Test(arguments: Engine.allCases) func manyDestinations(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit((1...50).map { .accept(message($0, destinations: [$0])) })
        try spool.commit([.accept(message(51, destinations: [nil]))])
        let even = (1...100_000).map { Int64($0) * 2 }
        let filter = comparison("worker", .equal, .number(2))
        let found = try select(filter, in: spool) { $0.field.name == "worker" ? even : [] }
        #expect(found == (1...25).map { id(Int64($0) * 2) })
        let negated = comparison("worker", .notEqual, .number(2))
        let others = try select(negated, in: spool) { $0.op == .equal ? even : [] }
        #expect(others == (1...25).map { id(Int64($0) * 2 - 1) } + [id(51)])
    }

    @Test(arguments: Engine.allCases) func sortsByTheNameOfTheDestination(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        try spool.commit([
            .destination(DestinationRecord(id: 1, identity: "x", name: "zeta", domains: [])),
            .destination(DestinationRecord(id: 2, identity: "y", name: "Alpha", domains: [])),
            .accept(message(1, destinations: [1])), .accept(message(2, destinations: [2])),
            .accept(message(3, destinations: [1])),
        ])
        let rows = try spool.page(DeliveryQuery(filter: nil, sort: "destination", now: noon)).rows
        #expect(rows.map(\.id) == [id(2), id(1), id(3)])
    }

    // MARK: Against a naive evaluation

    private func fill(_ spool: any Spool, _ random: inout SplitMix) throws -> [StoredDelivery] {
        let domains = ["example.com", "Example.COM", "mail.example.net", "a_b.example", "x", ""]
        let senders = ["", "a@x.example", "A@X.example", "100%@x", "back\\slash@x"]
        let locals = ["a", "b", "ab", "a.b+c", "\u{FC}", "A"]
        let replies = [
            "", "421 4.7.0 slow down", "450-4.2.1 busy", "550 5.1.1 no such user", "timed out",
            "421x", "99 _%",
        ]
        var writes: [SpoolWrite] = []
        for number in 1...150 as ClosedRange<Int64> {
            let message = MessageRecord(
                id: MessageID(rawValue: number * 37), sender: random.pick(senders),
                receivedAt: UnixTime(milliseconds: noon.milliseconds - random.below(9) * 1_700),
                expiresAt: noon, size: Int(random.below(6)) * 1000,
                priority: Int(random.below(8)) - 3)
            let deliveries = (0...random.below(3)).map { ordinal in
                NewDelivery(
                    id: DeliveryID(message: message.id, ordinal: UInt16(ordinal)),
                    destination: random.below(5) == 0 ? nil : random.below(4) + 1,
                    domain: random.pick(domains),
                    recipients: (0..<random.below(4)).map { _ in
                        StoredRecipient(
                            address: random.pick(locals) + "@" + random.pick(domains),
                            lastReply: random.pick(replies))
                    },
                    nextAttemptAt: UnixTime(
                        milliseconds: noon.milliseconds + (random.below(7) - 3) * 1_000))
            }
            writes.append(
                .accept(
                    NewMessage(
                        record: message, body: ByteBuffer(string: "x"), deliveries: deliveries)))
            for delivery in deliveries {
                if random.below(2) == 0 {
                    writes.append(
                        .update(
                            DeliveryUpdate(
                                id: delivery.id, attempts: Int(random.below(4)),
                                nextAttemptAt: delivery.nextAttemptAt,
                                lastReply: random.pick(replies), recipients: nil)))
                }
                if random.below(3) == 0 {
                    writes.append(
                        .mark(
                            [delivery.id], from: Set(StoredState.allCases),
                            to: random.pick(StoredState.allCases), at: nil))
                }
            }
        }
        try spool.commit(writes)
        return try spool.all()
    }

    @Test(arguments: Engine.allCases) func agreesWithANaiveEvaluation(_ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        var random = SplitMix(state: 20_240_601)
        let rows = try fill(spool, &random)
        let naive = NaiveFilter(
            now: noon, running: Set(rows.map(\.id).filter { _ in random.below(10) == 0 }))
        let running = Array(naive.running)
        var selected = 0
        for _ in 0..<1500 {
            let filter = NaiveFilter.randomExpression(&random, depth: 3, rows: rows)
            let expected = rows.filter { naive.holds(filter, $0) }.map(\.id)
            let found = try select(
                filter, in: spool, running: running, matching: { NaiveFilter.destinations($0) })
            try #require(found == expected, "\(NaiveFilter.describe(filter))")
            selected += found.isEmpty || found.count == rows.count ? 0 : 1
        }
        // The filters are not all trivial.
        #expect(selected > 500)
    }

    @Test(arguments: [
        nil, "id", "message", "domain", "sender", "recipient", "size", "age", "attempts",
        "priority", "next", "expires", "state", "code", "reply", "nonsense",
    ])
    func sortsAndCuts(_ field: String?) throws {
        for engine in Engine.allCases { try sortsAndCuts(field, engine) }
    }

    private func sortsAndCuts(_ field: String?, _ engine: Engine) throws {
        let place = try engine.place()
        defer { place.remove() }
        let spool = try place.open()
        var random = SplitMix(state: 7)
        let rows = try fill(spool, &random)
        let naive = NaiveFilter(now: noon, running: [rows[3].id, rows[70].id])
        for descending in [false, true] {
            // `rows` is in the order of ids, and the sort is stable: that is the tie-break.
            var expected = rows.enumerated().sorted { a, b in
                let order = naive.compare(a.element, b.element, by: field)
                if order != 0 { return descending ? order > 0 : order < 0 }
                return a.offset < b.offset
            }.map(\.element.id)
            if descending, naive.key(rows[0], by: field) == nil { expected.reverse() }
            var query = DeliveryQuery(
                filter: nil, sort: field, descending: descending, limit: 40, now: noon,
                running: { [rows[3].id, rows[70].id] })
            var found: [DeliveryID] = []
            repeat {
                query.offset = found.count
                let page = try spool.page(query)
                #expect(page.total == rows.count)
                found += page.rows.map(\.id)
                guard page.rows.count == 40 else { break }
            } while true
            #expect(found == expected, "\(field ?? "nil") descending: \(descending)")
        }
    }
}
