import Control
import Mail
import NIOCore
import Scheduler
import Testing

@testable import Manager
@testable import Spool

/// What the manager says about waiting mail, for each reason.
@Suite(.timeLimit(.minutes(15))) struct ReasonsTests {
    /// One destination with one delivery of `recipient@a.test`, and what follows.
    private func withMail(
        workers: [Int] = [1],
        _ body: (Rig, _ destination: Int64, _ message: MessageID) async throws -> Void
    ) async throws {
        try await withRig { rig in
            let (destination, message) = try await rig.on { stage in
                for worker in workers { stage.addWorker(worker) }
                let id = stage.dispatcher.learn(
                    domain: "a.test", identity: "192.0.2.1", ttl: .seconds(600)
                ).id
                return (id, stage.accept(["u@a.test"]))
            }
            try await rig.drain()
            try await body(rig, destination, message)
        }
    }

    private func waits(_ rig: Rig, _ destination: Int64) async throws -> [Why] {
        try await rig.on { stage in
            let known = stage.dispatcher.table[destination]!
            return stage.dispatcher.row(of: known, at: stage.dispatcher.clocks.wall()).waits
        }
    }

    private func ofMessage(_ rig: Rig) async throws -> [Why] {
        let stored = try rig.stored()
        return try await rig.on { $0.dispatcher.rows(of: stored)[0].waits }
    }

    private func report(
        _ rig: Rig, _ destination: Int64, _ waits: [Why], snapshot: [UInt8] = [],
        running: [DeliveryID] = []
    ) async throws {
        try await rig.on { stage in
            stage.say(
                .status([
                    DestinationReport(
                        destination: destination, ready: 1, delayed: 0, running: running,
                        connections: 0, window: 5, limit: 20, tokens: nil, burst: nil, rate: nil,
                        breaker: 0, breakerUntil: nil, failures: 0, nextDue: nil, oldest: nil,
                        suspended: 0, latestDue: nil, learnedRate: nil, learnedConnectionRate: nil,
                        waits: waits,
                        exchangers: [], snapshot: snapshot)
                ]), from: 1)
        }
    }

    @Test func theWorkersReasonsComeThrough() async throws {
        try await withMail { rig, destination, _ in
            #expect(try await waits(rig, destination).isEmpty)
            var facts = Wait.Facts()
            facts.reply = "421 \u{1B}[2J"
            let until = UnixTime(milliseconds: 4_000_000_000_000)
            try await report(
                rig, destination,
                [
                    Why(.breaker, "backing off after 421 \u{1B}[2J", until: until, facts),
                    Why(.window, "window 5 of 5 busy"),
                ])
            let waits = try await waits(rig, destination)
            #expect(waits.map(\.kind) == ["breaker", "window"])
            #expect(waits[0].until == until)
            // Nothing in it can drive a terminal.
            #expect(waits.allSatisfy { !$0.text.unicodeScalars.contains("\u{1B}") })
            #expect(waits[0].detail?.reply?.unicodeScalars.contains("\u{1B}") == false)
            #expect(try await ofMessage(rig).map(\.kind) == ["breaker", "window"])
        }
    }

    @Test func pausedBeforeAllElse() async throws {
        try await withMail { rig, destination, _ in
            try await report(rig, destination, [Why(.window, "window 5 of 5 busy")])
            let until = UnixTime(milliseconds: 4_000_000_000_000)
            try await rig.on { stage in
                stage.dispatcher.pause(
                    stage.dispatcher.table[destination]!, by: "ann (uid 7)", until: until,
                    reason: "their outage")
            }
            let waits = try await waits(rig, destination)
            #expect(waits.map(\.kind) == ["paused", "window"])
            #expect(waits[0].text == "paused by ann (uid 7): their outage")
            #expect(waits[0].until == until && waits[0].detail?.by == "ann (uid 7)")
            #expect(try await ofMessage(rig).first?.kind == "paused")
        }
    }

    @Test func retryTimeOfOneDelivery() async throws {
        try await withMail { rig, destination, message in
            let id = DeliveryID(message: message, ordinal: 0)
            try await rig.on { stage in
                stage.lastNumber[1, default: 0] += 1
                stage.say(
                    .results([
                        AttemptReport(
                            number: stage.lastNumber[1]!, delivery: id, destination: destination,
                            disposition: .retry, attempts: 1,
                            due: UnixTime(milliseconds: 4_000_000_000_000), remote: "", tls: "",
                            milliseconds: 1,
                            recipients: [
                                RecipientReport(outcome: .deferred, reply: "450 4.2.0 later")
                            ], reply: "450 4.2.0 later", at: stage.dispatcher.clocks.wall())
                    ]), from: 1)
            }
            try await rig.drain()
            // Limits do not matter to what is not due.
            try await report(rig, destination, [Why(.window, "window 5 of 5 busy")])
            let waits = try await ofMessage(rig)
            #expect(waits.map(\.kind) == ["schedule"])
            #expect(waits[0].text == "retries after 450 4.2.0 later")
            #expect(waits[0].detail?.attempts == 1)
        }
    }

    @Test func handOver() async throws {
        try await withMail(workers: [1, 2]) { rig, destination, message in
            let (owner, other) = try await rig.on { stage in
                let owner = stage.dispatcher.table[destination]!.ownership.worker!
                return (owner, 3 - owner)
            }
            try await rig.on { stage in
                let known = stage.dispatcher.table[destination]!
                known.pin = other
                stage.dispatcher.move(known)
            }
            let leaving = try await waits(rig, destination)
            #expect(leaving.map(\.kind) == ["worker"])
            #expect(
                leaving[0].text
                    == "being handed over from worker \(owner) to worker \(other)")
            #expect(leaving[0].detail?.worker == owner)
            let arriving = try await rig.on { stage in
                stage.say(.surrendered(destination: destination, snapshot: []), from: owner)
                let known = stage.dispatcher.table[destination]!
                return stage.dispatcher.row(of: known, at: stage.dispatcher.clocks.wall()).waits
            }
            #expect(arriving.map(\.text) == ["worker \(other) takes it over"])
            try await rig.drain()
            #expect(try await waits(rig, destination).isEmpty)
        }
    }

    /// Nobody has it, and the breaker that its last owner told of stays open meanwhile.
    @Test func workerThatIsDead() async throws {
        var bench = Scheduler(seed: 1)
        let now = Instant(nanoseconds: 0)
        let id = DestinationID(rawValue: 1)
        bench.add(id, policy: DestinationPolicy(), snapshot: nil, at: now)
        bench.enqueue(
            Entry(
                id: DeliveryID(message: MessageID(rawValue: 1), ordinal: 0), destination: id,
                due: now, received: now, attempts: 0, size: 1, sender: 1),
            at: now)
        let start = bench.next(at: now)!
        _ = bench.finished(
            start.delivery, of: id, .deferred(.connect, reply: "refused"), connection: .closed,
            at: now)
        let snapshot = bench.snapshot(id, at: now)!
        #expect(snapshot.openFor != nil)
        try await withMail { [snapshot] rig, destination, _ in
            try await report(rig, destination, [], snapshot: snapshot.encoded)
            let restart = try await rig.on { stage in
                let restart = stage.dispatcher.clocks.wall() + .seconds(30)
                var row = WorkerRow(id: 1, state: .dead)
                row.restartAt = restart
                stage.dispatcher.workerRows[1] = row
                stage.killWorker(1)
                return restart
            }
            let waits = try await waits(rig, destination)
            #expect(waits.map(\.kind) == ["breaker", "worker"])
            #expect(waits[0].text == "backing off after refused")
            #expect(waits[1].text == "worker 1 is restarting" && waits[1].until == restart)
            #expect(try await ofMessage(rig).map(\.kind) == ["breaker", "worker"])
        }
    }

    @Test func silentWorker() async throws {
        try await withMail { rig, destination, _ in
            try await report(rig, destination, [])
            try await rig.on { stage in
                var row = WorkerRow(id: 1, state: .silent)
                row.heartbeatAt = stage.dispatcher.clocks.wall() + .seconds(-6)
                stage.dispatcher.workerRows[1] = row
            }
            let waits = try await waits(rig, destination)
            #expect(waits.map(\.kind) == ["worker"])
            #expect(waits[0].text.hasPrefix("worker 1 has been silent for 6"))
            #expect(waits[0].until != nil)
        }
    }

    /// What its last owner left is not forgotten where nobody has it.
    @Test func anOrphansFigures() async throws {
        try await withMail { rig, destination, _ in
            var scheduler = Scheduler(seed: 1)
            let id = DestinationID(rawValue: 1)
            let start = Instant(nanoseconds: 0)
            var policy = DestinationPolicy()
            policy.retry.breakerFirst = .seconds(3600)
            policy.retry.breakerCap = .seconds(7200)
            scheduler.add(id, policy: policy, snapshot: nil, at: start)
            scheduler.enqueue(
                Entry(
                    id: DeliveryID(rawValue: 1 << 16), destination: id, due: start,
                    received: start, attempts: 0, size: 100, sender: 1), at: start)
            let next = scheduler.next(at: start)
            let begun = try #require(next)
            _ = scheduler.finished(
                begun.delivery, of: id, .deferred(.connect, reply: "Connection refused"),
                connection: .closed, at: start)
            let snapshot = try #require(scheduler.snapshot(id, at: start))
            try await report(
                rig, destination, [Why(.breaker, "backing off")], snapshot: snapshot.encoded)
            try await rig.on { $0.dispatcher.abandon(worker: 1) }
            let row = try await rig.on { stage in
                let known = stage.dispatcher.table[destination]!
                known.ownership = .none
                known.report = nil
                return stage.dispatcher.row(of: known, at: stage.dispatcher.clocks.wall())
            }
            #expect(row.breaker == .open && row.state == .backoff && row.failures == 1)
            #expect(row.breakerUntil != nil && row.window == 0)
            #expect(row.why.kind == "breaker" && row.why.text.contains("Connection refused"))
        }
    }

    @Test func routing() async throws {
        try await withRig { rig in
            try await rig.on { stage in _ = stage.accept(["u@x.test", "u@y.test"]) }
            try await rig.drain()
            #expect(
                try await ofMessage(rig).map(\.text) == [
                    "no worker is there to ask DNS where x.test goes: no worker is running"
                ])
            try await rig.on { $0.addWorker(1) }
            #expect(
                try await ofMessage(rig).map(\.text) == [
                    "DNS is asked where x.test and 1 more goes"
                ]
            )
            #expect(try await ofMessage(rig).map(\.kind) == ["routing"])
        }
    }

    @Test func heldAndPurged() async throws {
        try await withMail { rig, destination, message in
            let id = DeliveryID(message: message, ordinal: 0)
            let until = UnixTime(milliseconds: 4_000_000_000_000)
            try await rig.on { stage in
                stage.dispatcher.write([.mark([id], from: [.queued], to: .held, at: nil)])
                stage.dispatcher.table[destination]!.queued = 0
                stage.dispatcher.table[destination]!.held = 1
            }
            try await rig.drain()
            #expect(try await ofMessage(rig).map(\.text) == ["held by an operator"])
            try await rig.on { stage in
                for (action, name) in [(Int64(1), "bob"), (2, "ann")] {
                    stage.dispatcher.actions.remember(
                        action,
                        ActionTable.Mark(by: name, reason: "ticket \(action)", deliveries: [id]))
                }
            }
            let held = try await ofMessage(rig)
            #expect(held.map(\.text) == ["held by ann: ticket 2"] && held[0].detail?.by == "ann")
            try await rig.on { $0.dispatcher.actions.unmark([id]) }
            #expect(try await ofMessage(rig).map(\.text) == ["held by an operator"])
            #expect(try await waits(rig, destination).map(\.text) == ["1 delivery on hold"])
            try await rig.on { stage in
                stage.dispatcher.write([.mark([id], from: [.held], to: .purging, at: until)])
                stage.dispatcher.table[destination]!.held = 0
                stage.dispatcher.table[destination]!.purging = 1
            }
            try await rig.drain()
            let waits = try await ofMessage(rig)
            #expect(waits.map(\.kind) == ["purging"] && waits[0].until == until)
            #expect(try await self.waits(rig, destination).map(\.kind) == ["purging"])
        }
    }

    @Test func spoolThatCannotRecord() async throws {
        try await withMail { rig, destination, _ in
            try await report(rig, destination, [Why(.window, "window 5 of 5 busy")])
            try await rig.on { stage in
                stage.dispatcher.spoolError = SpoolError(
                    code: .cannotWrite, cause: "no space", context: "commit")
            }
            #expect(try await waits(rig, destination).map(\.kind) == ["spool", "window"])
            #expect(try await ofMessage(rig).map(\.kind) == ["spool", "window"])
            try await rig.on { $0.dispatcher.spoolError = nil }
        }
    }
}
