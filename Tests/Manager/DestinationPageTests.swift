import Control
import Filter
import Mail
import Scheduler
import Testing

@testable import Manager

/// Pages are made without making all rows: beside what all rows say.
@Suite struct DestinationPageTests {
    private static let fields = [
        "id", "name", "domain", "state", "why", "worker", "pinned", "paused", "queued", "ready",
        "delayed", "held", "delivering", "connections", "window", "limit", "tokens", "rate",
        "failures", "attempts", "age", "next", "code", "reply",
    ]

    private static func fill(_ dispatcher: Dispatcher, count: Int) {
        var random = SplitMix64(seed: 7)
        func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &random) }
        let now = dispatcher.clocks.wall()
        for number in 0..<count {
            let destination = dispatcher.learn(
                domain: "d\(number).test", identity: "192.0.2.\(number)", ttl: nil)
            destination.queued = below(50)
            destination.held = below(3)
            destination.attempts = below(9)
            if below(10) == 0 { destination.pausedBy = "someone" }
            if below(10) == 0 { destination.pin = 1 }
            if below(2) == 0 { destination.ownership = .owned(1 + below(3)) }
            if below(3) > 0 { destination.lastReply = "\(400 + below(3) * 50) 4.0.0 later" }
            if below(4) == 0 { continue }
            destination.oldest = now
            destination.reportedAt = now
            destination.report = DestinationReport(
                destination: destination.id, ready: below(20), delayed: below(60),
                running: (0..<below(4)).map { DeliveryID(rawValue: Int64($0 + 1)) },
                connections: below(5), window: below(20), limit: 20,
                tokens: below(2) == 0 ? nil : Double(below(10)), burst: 10, rate: 5,
                breaker: UInt8(below(3)), breakerUntil: nil, failures: below(4),
                nextDue: below(2) == 0 ? nil : now, oldest: now, suspended: 0, latestDue: nil,
                learnedRate: nil, learnedConnectionRate: nil, waits: [], exchangers: [],
                snapshot: [])
        }
    }

    @Test func everyFieldSaysWhatTheRowSays() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                let dispatcher = stage.dispatcher
                Self.fill(dispatcher, count: 100)
                let now = dispatcher.clocks.wall()
                for destination in dispatcher.table.values {
                    let row = dispatcher.row(of: destination, at: now)
                    for field in Self.fields {
                        #expect(FilterFields.destinations[field] != nil)
                        let value = dispatcher.value(of: field, destination, at: now)
                        #expect(value == row.value(of: field, at: now), "\(field)")
                    }
                }
            }
        }
    }

    @Test func pagesAreCutFromTheWholeOrder() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                let dispatcher = stage.dispatcher
                Self.fill(dispatcher, count: 400)
                let now = dispatcher.clocks.wall()
                let filter = try FilterExpression.parse(
                    "queued > 5 and not paused = yes", fields: .destinations)
                let rows = dispatcher.destinationRows()
                let chosen = rows.filter { filter.matches($0.lookup(at: now)) }
                #expect(!chosen.isEmpty && chosen.count < rows.count)
                // Tokens and ages move on with the clock.
                for field in Self.fields
                where field != "tokens" && field != "age" && field != "next" {
                    for descending in [false, true] {
                        let expected = Self.sorted(chosen, by: field, descending, at: now)
                        for (offset, limit) in [(0, 10), (7, 25), (0, 1000), (5000, 10), (3, 0)] {
                            let page = try dispatcher.destinationPage(
                                filter: filter, sort: field, descending: descending,
                                offset: offset, limit: limit)
                            #expect(page.total == chosen.count)
                            #expect(
                                page.rows.map(\.id)
                                    == expected.dropFirst(offset).prefix(limit).map(\.id),
                                "\(field) \(descending) \(offset) \(limit)")
                        }
                    }
                }
            }
        }
    }

    @Test func aPageAroundADestination() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                let dispatcher = stage.dispatcher
                Self.fill(dispatcher, count: 200)
                let filter = try FilterExpression.parse("queued > 5", fields: .destinations)
                for (field, descending) in [("name", false), ("name", true), ("queued", true)] {
                    func page(
                        _ filter: FilterExpression?, offset: Int, limit: Int, around: Int64? = nil
                    ) throws -> Page<DestinationRow> {
                        try dispatcher.destinationPage(
                            filter: filter, sort: field, descending: descending, offset: offset,
                            limit: limit, around: around)
                    }
                    let all = try page(filter, offset: 0, limit: 1000).rows.map(\.id)
                    for place in [0, 4, 90, all.count - 1] {
                        let around = try #require(Int64(all[place]))
                        let found = try page(filter, offset: 1, limit: 20, around: around)
                        #expect(found.offset == max(0, place - 10))
                        #expect(
                            found.rows.map(\.id)
                                == Array(all.dropFirst(found.offset).prefix(20)))
                    }
                    // What does not match moves nothing.
                    let others = try page(nil, offset: 0, limit: 1000).rows.map(\.id)
                    let other = try #require(others.first { !all.contains($0) }.flatMap(Int64.init))
                    #expect(try page(filter, offset: 1, limit: 20, around: other).offset == 1)
                }
            }
        }
    }

    /// The orders that were asked for before, and the totals, follow what changes.
    @Test func pagesAndTotalsFollowChanges() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                let dispatcher = stage.dispatcher
                Self.fill(dispatcher, count: 300)
                let filter = try FilterExpression.parse(
                    "queued > 5 and not paused = yes", fields: .destinations)
                var random = SplitMix64(seed: 7)
                for round in 0..<20 {
                    for destination in Array(dispatcher.table.values) {
                        switch Int.random(in: 0..<60, using: &random) {
                        case 0: destination.queued = Int.random(in: 0..<50, using: &random)
                        case 1: destination.held += 1
                        case 2: destination.pausedBy = destination.isPaused ? nil : "someone"
                        case 3: destination.report?.breaker = 1
                        case 4: destination.report = nil
                        case 5: destination.ownership = .owned(2)
                        case 6: destination.name = "x\(round).test"
                        case 7: destination.delivered += 3
                        case 8: dispatcher.strike(destination)
                        default: break
                        }
                    }
                    dispatcher.learn(
                        domain: "new\(round).test", identity: "198.51.100.\(round)", ttl: nil)
                    let now = dispatcher.clocks.wall()
                    let rows = dispatcher.destinationRows()
                    let totals = dispatcher.status().totals
                    #expect(totals.deliveries == rows.reduce(0) { $0 + $1.queued })
                    #expect(totals.held == rows.reduce(0) { $0 + $1.held })
                    #expect(totals.ready == rows.reduce(0) { $0 + $1.ready })
                    #expect(totals.paused == rows.count { $0.state == .paused })
                    let chosen = rows.filter { filter.matches($0.lookup(at: now)) }
                    for field in ["queued", "name", "state", "delivered"] {
                        let page = try dispatcher.destinationPage(
                            filter: filter, sort: field, descending: true, offset: 3, limit: 20)
                        #expect(page.total == chosen.count)
                        let expected = Self.sorted(chosen, by: field, true, at: now)
                        #expect(
                            page.rows.map(\.id)
                                == expected.dropFirst(3).prefix(20).map(\.id), "\(field)")
                    }
                }
            }
        }
    }

    /// A frame costs what has changed, also while no worker has reported on what it was given.
    @Test func whatDoesNotChangeIsNotLookedAtAgain() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                let dispatcher = stage.dispatcher
                let rows = (0..<50).map {
                    dispatcher.learn(domain: "d\($0).test", identity: "192.0.2.\($0)", ttl: nil)
                }
                for row in rows {
                    row.queued = 3
                    row.snapshot = DestinationSnapshot(DestinationPolicy()).encoded
                }
                #expect(dispatcher.overview.pending == 50)
                _ = dispatcher.status()
                #expect(dispatcher.overview.pending == 0)
                // One that backs off becomes another with time.
                rows[7].snapshot = StoredSnapshotTests.snapshot().bytes
                rows[7].snapshotAt = dispatcher.clocks.wall()
                _ = dispatcher.status()
                #expect(dispatcher.status().totals.backoff == 1)
                #expect(dispatcher.overview.pending == 1)
            }
        }
    }

    @Test func theMostMailFirstUnlessAskedOtherwise() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                let dispatcher = stage.dispatcher
                Self.fill(dispatcher, count: 50)
                let page = try dispatcher.destinationPage(
                    filter: nil, sort: nil, descending: false, offset: 0, limit: 50)
                #expect(page.total == 50)
                #expect(page.rows.map(\.queued) == page.rows.map(\.queued).sorted(by: >))
                #expect(throws: APIError.self) {
                    try dispatcher.destinationPage(
                        filter: nil, sort: "nonsense", descending: false, offset: 0, limit: 5)
                }
            }
        }
    }

    @Test func theSmallestOfMany() {
        var random = SplitMix64(seed: 1)
        for size in [0, 1, 7, 100, 5000] {
            let numbers = (0..<size).map { _ in Int.random(in: 0..<1000, using: &random) }
            for count in [-1, 0, 1, 3, 70, size, size + 5] {
                #expect(
                    Array(numbers.smallest(count, by: <))
                        == Array(numbers.sorted().prefix(max(0, count))))
            }
        }
    }

    private static func sorted(
        _ rows: [DestinationRow], by field: String, _ descending: Bool, at now: UnixTime
    ) -> [DestinationRow] {
        rows.sorted { a, b in
            let (x, y) = (
                SortKey(a.value(of: field, at: now)), SortKey(b.value(of: field, at: now))
            )
            if x == y { return Int64(a.id)! < Int64(b.id)! }
            if x == .missing || y == .missing { return y == .missing }
            return descending ? y < x : x < y
        }
    }
}
