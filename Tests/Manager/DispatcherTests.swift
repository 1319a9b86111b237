import Control
import Dispatch
import Mail
import NIOCore
import Scheduler
import Testing

@testable import Manager
@testable import Spool

@Suite(.timeLimit(.minutes(15))) struct DispatcherTests {
    /// Makes a domain known without a question.
    private static func know(_ stage: Stage, _ domain: String, _ identity: String) -> Int64 {
        stage.dispatcher.learn(domain: domain, identity: identity, ttl: .seconds(600)).id
    }

    @Test func mailForAKnownDomainIsOnDiskAndThenDelivered() async throws {
        try await withRig { rig in
            let (destination, message) = try await rig.on { stage in
                stage.addWorker(1)
                let destination = Self.know(stage, "a.test", "192.0.2.1")
                return (destination, stage.accept(["u@a.test", "v@A.test"]))
            }
            try await rig.drain()
            #expect(try rig.stored().map(\.destination) == [destination])
            try await rig.on { stage in
                guard case .deliver(let entry, let job)? = stage.frames(1).last else {
                    Issue.record("\(stage.frames(1))")
                    return
                }
                #expect(entry.id == DeliveryID(message: message, ordinal: 0))
                #expect(job.recipients.map(\.address) == ["u@a.test", "v@A.test"])
                #expect(stage.dispatcher.table[destination]?.queued == 1)
                stage.report(entry.id, of: destination, [.delivered, .delivered], from: 1)
            }
            try await rig.drain()
            #expect(try rig.stored().isEmpty)
            try await rig.on { stage in
                #expect(stage.recorded(1) == 1)
                #expect(stage.dispatcher.table[destination]?.queued == 0)
                #expect(stage.dispatcher.status().totals.delivered == 2)
            }
        }
    }

    /// Mail that was taken in before the first worker was there waits for one answer together.
    @Test func allThatWaitsForAWorkerGetsTheAnswer() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                for number in 0..<5 { _ = stage.accept(["u\(number)@x.test"]) }
            }
            try await rig.drain()
            try await rig.on { stage in
                #expect(stage.dispatcher.unrouted.count == 5)
                stage.addWorker(1)
                var questions = 0
                for case .resolve(let request, _) in stage.frames(1) {
                    questions += 1
                    stage.say(.resolved(request: request, .to("192.0.2.8")), from: 1)
                }
                #expect(questions == 1)
                #expect(stage.dispatcher.unrouted.isEmpty)
            }
            try await rig.drain()
            #expect(try rig.stored().allSatisfy { $0.state == .queued })
        }
    }

    /// The unknown domain stands between known ones: the parts that it is split into must not take
    /// the ids of the others.
    @Test func unknownDomainsAreAskedForAndSplit() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                _ = Self.know(stage, "a.test", "192.0.2.1")
                _ = Self.know(stage, "c.test", "192.0.2.3")
                _ = stage.accept(["u@a.test", "u@x.test", "u@c.test", "u@y.test"])
            }
            try await rig.drain()
            #expect(try rig.stored().count == 3)
            try await rig.on { stage in
                for case .resolve(let request, let domain) in stage.frames(1) {
                    stage.say(
                        .resolved(
                            request: request, .to(domain == "x.test" ? "192.0.2.8" : "192.0.2.9")),
                        from: 1)
                }
                #expect(stage.dispatcher.unrouted.isEmpty)
            }
            try await rig.drain()
            let stored = try rig.stored()
            #expect(stored.count == 4)
            #expect(stored.allSatisfy { $0.state == .queued })
            #expect(
                Set(stored.flatMap { $0.recipients.map(\.address) })
                    == ["u@a.test", "u@x.test", "u@c.test", "u@y.test"])
            try await rig.on { stage in
                for delivery in stored {
                    #expect(stage.held(delivery.destination!, by: 1) == [delivery.id])
                }
                #expect(stage.dispatcher.spoolError == nil)
            }
        }
    }

    @Test func aDomainThatTakesNoMailBounces() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                _ = Self.know(stage, "sender.test", "192.0.2.1")
                _ = stage.accept(["u@null.test"])
            }
            try await rig.drain()
            try await rig.on { stage in
                let question = stage.lastResolve(1)!
                stage.say(
                    .resolved(
                        request: question.request, .permanent(code: "5.1.10", text: "null MX")),
                    from: 1)
            }
            try await rig.drain()
            let stored = try rig.stored()
            #expect(stored.map { $0.recipients.map(\.address) } == [["s@sender.test"]])
            #expect(stored.first?.message.sender == "")
        }
    }

    /// The answer for one domain ends before the other's comes: it is asked for again.
    @Test func anAnswerThatEndedIsAskedForAgain() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                _ = stage.accept(["u@x.test", "u@y.test"])
            }
            try await rig.drain()
            try await rig.on { stage in
                var questions: [String: UInt64] = [:]
                for case .resolve(let request, let domain) in stage.frames(1) {
                    questions[domain] = request
                }
                stage.say(.resolved(request: questions["x.test"]!, .to("192.0.2.8")), from: 1)
                stage.dispatcher.routing.forgetAnswers()
                stage.say(.resolved(request: questions["y.test"]!, .to("192.0.2.9")), from: 1)
                let again = stage.lastResolve(1)!
                #expect(again.domain == "x.test")
                stage.say(.resolved(request: again.request, .to("192.0.2.8")), from: 1)
            }
            try await rig.drain()
            #expect(try rig.stored().allSatisfy { $0.destination != nil && $0.state == .queued })
            #expect(try rig.stored().count == 2)
        }
    }

    @Test func aDeadWorkersMailGoesToAnother() async throws {
        try await withRig { rig in
            let destination = try await rig.on { stage in
                stage.addWorker(1)
                let destination = Self.know(stage, "a.test", "192.0.2.1")
                for number in 0..<30 { _ = stage.accept(["u\(number)@a.test"]) }
                return destination
            }
            try await rig.drain()
            try await rig.on { stage in
                #expect(stage.held(destination, by: 1).count == 30)
                for id in stage.held(destination, by: 1).prefix(10) {
                    stage.report(id, of: destination, [.delivered], from: 1)
                }
                stage.addWorker(2)
                stage.killWorker(1)
                // Submitted while the load waits for its barrier.
                for number in 30..<35 { _ = stage.accept(["u\(number)@a.test"]) }
            }
            try await rig.drain()
            let stored = try rig.stored().map(\.id)
            #expect(stored.count == 25)
            try await rig.on { stage in
                #expect(stage.held(destination, by: 2).sorted() == stored)
                #expect(stage.dispatcher.table[destination]?.queued == 25)
                #expect(stage.dispatcher.table[destination]?.ownership == .owned(2))
            }
        }
    }

    /// A bounce reads the message first; until it is on disk the delivery must not be loaded as it
    /// was.
    @Test func aLoadWaitsForResultsThatAreBeingSettled() async throws {
        try await withRig { rig in
            let gate = DispatchSemaphore(value: 0)
            let begun = DispatchSemaphore(value: 0)
            let (destination, first) = try await rig.on { stage in
                stage.addWorker(1)
                let destination = Self.know(stage, "a.test", "192.0.2.1")
                _ = Self.know(stage, "sender.test", "192.0.2.2")
                return (destination, stage.accept(["u@a.test", "v@a.test", "w@a.test"]))
            }
            try await rig.drain()
            rig.spool.beforeBody {
                begun.signal()
                gate.wait()
            }
            let id = DeliveryID(message: first, ordinal: 0)
            try await rig.on { stage in
                stage.report(
                    id, of: destination, [.delivered, .failed, .deferred], disposition: .retry,
                    from: 1)
                stage.addWorker(2)
                stage.killWorker(1)
            }
            await withCheckedContinuation { continuation in
                DispatchQueue.global().async {
                    begun.wait()
                    continuation.resume()
                }
            }
            rig.spool.beforeBody(nil)
            try await rig.drain(rounds: 5, held: 1)
            try await rig.on { #expect($0.held(destination, by: 2).isEmpty) }
            gate.signal()
            try await rig.drain()
            try await rig.on { #expect($0.held(destination, by: 2) == [id]) }
            let left = try rig.stored().first { $0.id == id }
            #expect(left?.recipients.map(\.address) == ["w@a.test"])
            #expect(left?.attempts == 1)
        }
    }

    /// Two results of one delivery, the second before the first is on disk.
    @Test func partialResultsOfOneDeliveryAreSettledInOrder() async throws {
        try await withRig { rig in
            let id = try await rig.on { stage in
                stage.addWorker(1)
                _ = Self.know(stage, "a.test", "192.0.2.1")
                return DeliveryID(
                    message: stage.accept(["u@a.test", "v@a.test", "w@a.test"], sender: ""),
                    ordinal: 0)
            }
            try await rig.drain()
            try await rig.on { stage in
                stage.report(
                    id, of: 1, [.delivered, .deferred, .deferred], disposition: .retry, from: 1)
                stage.report(
                    id, of: 1, [.delivered, .deferred], disposition: .retry, attempts: 2, from: 1)
            }
            try await rig.drain()
            #expect(try rig.stored().map { $0.recipients.map(\.address) } == [["w@a.test"]])
            #expect(try rig.spool.attempts(of: id.message).map(\.number) == [1, 2])
            try await rig.on { #expect($0.recorded(1) == 2) }
        }
    }

    /// A result that the spool has already: the manager died before it could say so.
    @Test func aReplayedRetryIsNotTakenTwice() async throws {
        try await withRig { rig in
            let id = try await rig.on { stage in
                stage.addWorker(1)
                _ = Self.know(stage, "a.test", "192.0.2.1")
                return DeliveryID(
                    message: stage.accept(["u@a.test", "v@a.test"], sender: ""), ordinal: 0)
            }
            try await rig.drain()
            let report = AttemptReport(
                number: 1, delivery: id, destination: 1, disposition: .retry, attempts: 1,
                due: UnixTime(milliseconds: 1), remote: "", tls: "", milliseconds: 0,
                recipients: [
                    RecipientReport(outcome: .delivered, reply: "250 ok"),
                    RecipientReport(outcome: .deferred, reply: "450 later"),
                ], reply: "450 later", at: UnixTime(milliseconds: 1))
            for _ in 0..<2 {
                let promise = rig.loop.makePromise(of: Void.self)
                try await rig.on { $0.dispatcher.replay([report], of: 1, promise) }
                try await promise.futureResult.get()
            }
            #expect(try rig.stored().map { $0.recipients.map(\.address) } == [["v@a.test"]])
        }
    }

    @Test func aHandOverLoadsWhatCameMeanwhile() async throws {
        try await withRig { rig in
            let destination = try await rig.on { stage in
                stage.addWorker(1)
                let destination = Self.know(stage, "a.test", "192.0.2.1")
                _ = stage.accept(["u@a.test"])
                return destination
            }
            try await rig.drain()
            try await rig.on { stage in
                stage.addWorker(2)
                let row = stage.dispatcher.table[destination]!
                row.pin = row.ownership.worker == 1 ? 2 : 1
                stage.dispatcher.move(row)
                // The ring may have moved it to 2 already; either way its owner was asked once.
                let asked = [1, 2].flatMap { stage.frames($0) }.count {
                    if case .surrender = $0 { true } else { false }
                }
                #expect(asked == 1)
                _ = stage.accept(["v@a.test"])
            }
            try await rig.drain()
            try await rig.on { stage in
                let old = stage.dispatcher.table[destination]!.ownership.worker!
                #expect(stage.held(destination, by: old).count == 1)
                stage.say(.surrendered(destination: destination, snapshot: [1, 2]), from: old)
                #expect(stage.dispatcher.table[destination]?.snapshot == [1, 2])
            }
            try await rig.drain()
            let stored = try rig.stored().map(\.id)
            try await rig.on { stage in
                let owner = stage.dispatcher.table[destination]!.ownership.worker!
                #expect(stage.held(destination, by: owner).sorted() == stored)
            }
        }
    }

    @Test func aFullDiskStopsIntakeAndLosesNothing() async throws {
        try await withRig { rig in
            let (destination, id) = try await rig.on { stage in
                stage.addWorker(1)
                let destination = Self.know(stage, "a.test", "192.0.2.1")
                return (destination, DeliveryID(message: stage.accept(["u@a.test"]), ordinal: 0))
            }
            try await rig.drain()
            rig.spool.failCommits(true)
            let refused = rig.loop.makePromise(of: Bool.self)
            let recovered = rig.loop.makePromise(of: Void.self)
            try await rig.on { stage in
                stage.report(id, of: destination, [.delivered], from: 1)
                _ = stage.accept(["v@a.test"]) { refused.succeed($0 != nil) }
            }
            #expect(try await refused.futureResult.get())
            try await rig.on { stage in
                guard case .recording(false)? = stage.frames(1).last else {
                    Issue.record("workers go on")
                    return
                }
                #expect(stage.dispatcher.spoolError != nil)
                #expect(stage.recorded(1) == nil)
                let recorder = stage.recorders[1]!
                recorder.onFrame = { [unowned recorder] in
                    if case .recorded? = recorder.frames.last { recovered.succeed() }
                }
            }
            #expect(try rig.stored().count == 1)
            rig.spool.failCommits(false)
            try await recovered.futureResult.get()
            #expect(try rig.stored().isEmpty)
            try await rig.on { stage in
                #expect(stage.dispatcher.spoolError == nil)
                #expect(stage.dispatcher.unrecorded.isEmpty)
                #expect(
                    stage.frames(1).contains {
                        if case .recording(true) = $0 { true } else { false }
                    }
                )
            }
        }
    }

    /// One write that can never succeed must not keep the others from the disk.
    @Test func aRefusedWriteDoesNotBlockTheSpool() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                _ = Self.know(stage, "a.test", "192.0.2.1")
                stage.dispatcher.write([
                    .destination(
                        DestinationRecord(id: 99, identity: "192.0.2.1", name: "x", domains: []))
                ])
                _ = stage.accept(["u@a.test"])
            }
            try await rig.drain()
            #expect(try rig.stored().count == 1)
            try await rig.on { #expect($0.dispatcher.spoolError == nil) }
        }
    }

    @Test func anIdleDestinationIsNotForgottenUnderMailThatIsBeingCommitted() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                let id = Self.know(stage, "a.test", "192.0.2.1")
                let destination = stage.dispatcher.table[id]!
                destination.lastActive = UnixTime(milliseconds: 0)
                _ = stage.accept(["u@a.test"])
                stage.dispatcher.forgetIdle(after: .seconds(900))
                #expect(stage.dispatcher.table[id] != nil)
            }
            try await rig.drain()
            try await rig.on { #expect($0.held(1, by: 1).count == 1) }
        }
    }

    /// By chance and many times: arrivals, deaths, hand-overs and results in any order. In the end
    /// the owner of every destination has exactly what lies in the spool, each once.
    @Test(arguments: 0..<40) func everyOrderOfEventsEndsWell(seed: UInt64) async throws {
        try await withRig { rig in
            var random = SplitMix64(seed: seed)
            try await rig.on { stage in
                stage.addWorker(1)
                stage.addWorker(2)
                for number in 1...3 {
                    _ = Self.know(stage, "d\(number).test", "192.0.2.\(number)")
                }
                _ = Self.know(stage, "sender.test", "192.0.2.9")
            }
            for step in 0..<60 {
                let dice = Int.random(in: 0..<100, using: &random)
                let number = Int.random(in: 1...3, using: &random)
                let worker = Int.random(in: 1...3, using: &random)
                let outcomes = (0..<2).map { _ in
                    [RecipientReport.Outcome.delivered, .deferred, .failed].randomElement(
                        using: &random)!
                }
                try await rig.on { stage in
                    switch dice {
                    case 0..<40:
                        _ = stage.accept(["u\(step)@d\(number).test", "v\(step)@d\(number).test"])
                    case 40..<45:
                        let id = stage.accept(["u@new\(step).test", "v@d\(number).test"])
                        stage.recipientCount[id] = 1
                    case 45..<55:
                        for other in stage.recorders.keys.sorted() {
                            for case .resolve(let request, _) in stage.frames(other) {
                                stage.say(
                                    .resolved(request: request, .to("192.0.2.\(number)")),
                                    from: other)
                            }
                        }
                    case 55..<60:
                        if stage.recorders[worker] == nil { stage.addWorker(worker) }
                    case 60..<65:
                        if stage.recorders[worker] != nil { stage.killWorker(worker) }
                    case 65..<72:
                        let destination = stage.dispatcher.table[Int64(number)]!
                        destination.pin = worker
                        stage.dispatcher.move(destination)
                    case 72..<82:
                        for destination in stage.dispatcher.table.values {
                            guard case .surrendering(let old) = destination.ownership else {
                                continue
                            }
                            stage.say(
                                .surrendered(destination: destination.id, snapshot: []), from: old)
                        }
                    default:
                        let destination = stage.dispatcher.table[Int64(number)]!
                        guard case .owned(let owner) = destination.ownership,
                            let id = stage.held(destination.id, by: owner).first(where: {
                                !stage.done.contains($0)
                            })
                        else { return }
                        let isOver = !outcomes.contains(.deferred)
                        guard isOver else { return }
                        stage.done.insert(id)
                        let count = stage.recipientCount[id.message] ?? 2
                        stage.report(
                            id, of: destination.id, Array(outcomes.prefix(count)), from: owner)
                    }
                }
                if dice % 3 == 0 { try await rig.drain(rounds: dice % 4) }
            }
            try await rig.on { stage in
                for worker in 1...3 where stage.recorders[worker] == nil { stage.addWorker(worker) }
            }
            for _ in 0..<4 {
                try await rig.drain()
                try await rig.on { stage in
                    for worker in 1...3 {
                        for case .resolve(let request, _) in stage.frames(worker) {
                            stage.say(.resolved(request: request, .to("192.0.2.1")), from: worker)
                        }
                    }
                    for destination in stage.dispatcher.table.values {
                        guard case .surrendering(let old) = destination.ownership else { continue }
                        stage.say(
                            .surrendered(destination: destination.id, snapshot: []), from: old)
                    }
                }
            }
            try await rig.drain()
            let stored = try rig.stored()
            #expect(stored.allSatisfy { $0.state == .queued })
            try await rig.on { stage in
                for destination in stage.dispatcher.table.values {
                    let mine = stored.filter { $0.destination == destination.id }.map(\.id)
                    #expect(destination.queued == mine.count, "destination \(destination.id)")
                    guard !mine.isEmpty else { continue }
                    guard case .owned(let owner) = destination.ownership else {
                        Issue.record("nobody has destination \(destination.id)")
                        continue
                    }
                    let held = stage.held(destination.id, by: owner).filter {
                        !stage.done.contains($0)
                    }
                    #expect(held.sorted() == mine, "destination \(destination.id)")
                }
                #expect(stage.dispatcher.settling.isEmpty)
            }
        }
    }
}
