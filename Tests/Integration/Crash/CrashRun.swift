import Control
import Faults
import Foundation
import Glibc
import Testing

@testable import Testbed

/// Runs one crash to its end: load, crash, restart, and the accounts.
struct CrashRun {
    static let concurrency = 3
    private static let undoWindow: Duration = .seconds(4)

    let crash: CrashCase
    let scene: Scene
    let daemon: Daemon
    let ledger: Ledger
    private let traffic: Traffic
    private let fuse: String
    /// Down until the actions on what waits for them are done.
    private let late: [Receiver]
    private let dns: DNSServer?
    private let accepted = Shared<[String: [String]]>([:])
    /// The crash came, and a manager was started after it.
    private let survived = Shared(false)
    private let forced = Shared<Set<ReceivedDelivery>>([])

    static func make(_ crash: CrashCase, in scene: Scene) async throws -> CrashRun {
        var settings = DaemonSettings()
        settings.workers = 2
        settings.limits = ["concurrency = \(concurrency)", "rate = \"off\""]
        let undoWindow = crash.scenario == .many ? .seconds(600) : undoWindow
        settings.undo = ["purge_window = \"\(undoWindow.components.seconds)s\""]
        let port = try PortReservation.freePort()
        settings.listen = "127.0.0.1:\(port)"
        var receivers: [Receiver] = []
        func add(_ domain: String, _ manner: ReceiverManner) async throws -> Receiver {
            var manner = manner
            manner.delays.endOfData = .milliseconds(15)
            let receiver = try await scene.receiver(domain, manner, keep: .deliveries)
            settings.routes[domain] = receiver.route
            receivers.append(receiver)
            return receiver
        }
        var domains: [String] = []
        var late: [Receiver] = []
        var dns: DNSServer?
        switch crash.scenario {
        case .actions:
            domains = ["hold.test", "purge.test", "undo.test", "bounce.test"]
            for domain in domains { late.append(try await add(domain, .dead)) }
        case .pauses:
            domains = ["pause.test", "retry.test"]
            for domain in domains { late.append(try await add(domain, .dead)) }
            // Nothing is tried again by itself meanwhile.
            settings.retry = [
                "first = \"1h\"", "cap = \"2h\"", "breaker_first = \"1h\"",
                "breaker_cap = \"1h\"",
            ]
        case .many:
            // One message for each mailbox, one delivery for each domain: many deliveries of few
            // messages.
            settings.groupBy = "domain"
            domains = Self.manyDomains
            let receiver = try await add(domains[0], .dead)
            late.append(receiver)
            for domain in domains { settings.routes[domain] = receiver.route }
        case .move:
            domains = ["moved.test"]
            _ = try await add("moved.test", .fast)
        case .mail, .orphans, .stop:
            _ = try await add("fast.test", .fast)
            _ = try await add("some.test", .unknownUsers(share: 0.3))
            _ = try await add("grey.test", .greylisting(for: .milliseconds(200)))
            _ = try await add("full.test", .fullMailboxes(share: 0.4))
            domains = ["fast.test", "some.test", "grey.test", "full.test"]
        }
        let senders = try await scene.receiver("senders", .fast, keep: .messages)
        for domain in MailStream.senderDomains + ["sender.test"] {
            settings.routes[domain] = senders.route
        }
        if crash.scenario == .mail {
            // Names that DNS has to be asked for: their exchanger listens where no other test does.
            let host = "127.\(Int.random(in: 60...250)).\(Int.random(in: 1...250)).7"
            let routed = try await scene.receiver(
                "mx.routed.test", .fast, host: host, port: 25, keep: .deliveries)
            receivers.append(routed)
            let names = (0..<8).map { "routed\($0).test" }
            let server = try DNSServer(
                [.addresses("mx.routed.test", [host])]
                    + names.map { .mx($0, host: "mx.routed.test", preference: 10) })
            settings.dns = server.port
            dns = server
            domains += names
        }
        let daemon = try scene.idleDaemon(settings)
        var options = Traffic.Options()
        options.rate = 300
        options.limit = 120
        options.keepsAccepted = true
        return CrashRun(
            crash: crash, scene: scene, daemon: daemon,
            ledger: Ledger(receivers: receivers, senders: senders),
            traffic: Traffic(
                MailStream(domains: domains, mailboxes: 60), port: port, group: scene.group,
                options: options),
            fuse: scene.directory.file("fuse"), late: late, dns: dns)
    }

    func run() async throws -> Account {
        arm(crash.scenario != .orphans || crash.point.isOfWorkers)
        try await daemon.start()
        switch crash.scenario {
        case .mail:
            try await underLoad { try await reviveWhenDead() }
        case .orphans:
            try await underLoad {
                try await delivered(25)
                try await daemon.end(SIGKILL)
                try await takeStock()
                arm(true)
                try await startAgain()
                try await reviveWhenDead()
            }
        case .move:
            try await underLoad {
                // The crash comes earlier where the second worker's start moves the destination.
                try await waitUntil("10 deliveries") { delivered >= 10 || hasFired }
                if !hasFired { try await move() }
                try await reviveWhenDead()
            }
        case .stop:
            try await underLoad {
                try await delivered(25)
                try await daemon.end(SIGTERM)
                try await takeStock()
                try await startAgain()
            }
        case .actions:
            try await actions()
        case .pauses:
            try await pauses()
        case .many:
            try await many()
        }
        #expect(hasFired, "\(crash.plan) was never reached")
        try await settle()
        return try await account()
    }

    private func arm(_ isArmed: Bool) {
        daemon.environment =
            isArmed ? [FaultPlan.variable: crash.plan, FaultPlan.fuseVariable: fuse] : [:]
    }

    private var hasFired: Bool { access(fuse, F_OK) == 0 }
    private var delivered: Int {
        ledger.receivers.reduce(0) { $0 + $1.statistics.recipients }
    }

    private func delivered(_ count: Int) async throws {
        try await waitUntil("\(count) deliveries") { delivered >= count }
    }

    private func underLoad(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await traffic.run() }
            group.addTask { try await body() }
            // The first error ends the traffic too: nobody may take it any more.
            for try await _ in group {}
        }
    }

    /// Waits for the crash; where the manager is among the dead it is started again.
    private func reviveWhenDead() async throws {
        try await waitUntil("\(crash.plan) is reached") { hasFired }
        guard crash.victims != .worker, !survived.value else { return }
        try await revive()
    }

    private func revive() async throws {
        try await waitUntil("the manager is dead") { daemon.ending != nil }
        try await takeStock()
        try await startAgain()
    }

    /// The crash may be one of the start itself.
    private func startAgain() async throws {
        do {
            try await daemon.start()
        } catch {
            guard hasFired, daemon.ending != nil else { throw error }
            try await takeStock()
            try await daemon.start()
            survived.value = true
        }
    }

    /// When nothing of the daemon runs any more: what may come twice from here on. Workers that
    /// outlived their manager have told what they did.
    private func takeStock() async throws {
        try await daemon.awaitWorkersEnd()
        guard crash.victims != .manager else { return }
        forced.value.formUnion(try await ledger.unrecorded(in: daemon.dataDirectory))
    }

    /// All but what waits for full mailboxes.
    private static let unsettled = "not (domain = full.test and code = 4xx)"

    private func settle() async throws {
        // Those of pauses are up by then, as what is retried is to arrive.
        if crash.scenario != .pauses { for receiver in late { try await receiver.comeUp() } }
        do {
            try await waitUntil("all mail is on its way or waits for full mailboxes") {
                try await daemon.control.messages(filter: Self.unsettled).total == 0
            }
        } catch {
            let rows = try await daemon.control.messages(filter: Self.unsettled).rows
            throw daemon.failure(
                "\(error): "
                    + rows.map { "\($0.id) \($0.domain) \($0.state) \($0.why.text)" }
                    .joined(separator: ", "))
        }
        let totals = try await daemon.totals()
        let stored = try await daemon.control.messages().total
        #expect(totals.deliveries == stored, "the counts do not add up: \(totals)")
        #expect(totals.purging == 0 && totals.held == 0)
    }

    private func account() async throws -> Account {
        var accepted = traffic.statistics.accepted
        accepted.merge(self.accepted.value) { $1 }
        // A daemon that was started after the end of a window takes a moment to record it.
        try await waitUntil("no purge is open") {
            try await daemon.control.actions().rows.allSatisfy {
                $0.action != .purge || $0.state != .undoable
            }
        }
        let purged = try await daemon.control.actions().rows.contains {
            $0.action == .purge && $0.target.contains("purge.test") && $0.state == .done
        }
        return try await ledger.account(of: accepted, in: daemon, forced: forced.value) {
            purged && $0.hasSuffix("@purge.test")
        }
    }

    // MARK: Operators

    private func move() async throws {
        // The crash may come before the answer.
        try? await reassign()
    }

    private func reassign() async throws {
        let row = try await daemon.destination("moved.test")
        let other = row.worker == 1 ? 2 : 1
        _ = try await daemon.act(
            .reassign, Selector(destinations: [row.id]), worker: other)
    }

    private func actions() async throws {
        let port = daemon.port
        let domains = ["hold.test", "purge.test", "undo.test", "bounce.test"]
        let mails = domains.flatMap { domain in
            (0..<6).map { TestMail("\(domain)-\($0)", to: "a\($0)@\(domain)", "b\($0)@\(domain)") }
        }
        try await scene.send(mails, to: port)
        accepted.value = Dictionary(uniqueKeysWithValues: mails.map { ($0.id, $0.recipients) })
        try await waitUntil("all were tried") {
            try await daemon.control.messages(filter: "attempts = 0").total == 0
        }
        try await perform(.hold, on: "hold.test")
        try await perform(.bounce, on: "bounce.test")
        try await perform(.purge, on: "undo.test")
        try await undo("undo.test")
        try await perform(.purge, on: "purge.test")
        try await perform(.release, on: "hold.test")
        try await waitUntil("the undo windows are over") {
            if daemon.ending != nil { try await revive() }
            let rows = try? await daemon.control.messages(filter: "state = purging")
            return rows?.total == 0
        }
        if crash.victims == .worker { return }
        // A crash at the very end of a window.
        try await waitUntil("\(crash.plan) is reached") { hasFired }
        if daemon.ending != nil { try await revive() }
    }

    /// Pauses what cannot be delivered, lets it be deliverable, makes all of it due, resumes.
    private func pauses() async throws {
        let mails = ["pause.test", "retry.test"].flatMap { domain in
            (0..<6).map { TestMail("\(domain)-\($0)", to: "a\($0)@\(domain)", "b\($0)@\(domain)") }
        }
        try await scene.send(mails, to: daemon.port)
        accepted.value = Dictionary(uniqueKeysWithValues: mails.map { ($0.id, $0.recipients) })
        // A breaker opens at the first refusal; what waits behind it was not tried.
        try await waitUntil("the receivers were found dead") {
            let row = try await daemon.control.destinations(filter: "state = backoff")
            return row.total == 2
        }
        let paused = ledger.receivers[0]
        try await performOnDestination(.pause, "pause.test")
        for receiver in late { try await receiver.comeUp() }
        try await perform(.retry, on: "pause.test")
        try await perform(.retry, on: "retry.test")
        try await waitUntil("what is not paused is delivered") {
            if daemon.ending != nil { try await revive() }
            let rest = try? await daemon.control.messages(filter: "domain = retry.test")
            return rest?.total == 0
        }
        // A pause that was answered, or is on record, holds through the crash.
        #expect(paused.statistics.transactions == 0, "a paused destination was delivered to")
        try await performOnDestination(.resume, "pause.test")
        if crash.victims != .worker, daemon.ending != nil { try await revive() }
    }

    /// The same for what is done to a destination.
    private func performOnDestination(_ action: ActionKind, _ domain: String) async throws {
        func act() async throws {
            let row = try await daemon.destination(domain)
            try await daemon.act(action, Selector(destinations: [row.id]))
        }
        do {
            try await act()
        } catch {
            try await revive()
            let isThere = try await daemon.control.actions().rows.contains { $0.action == action }
            let isPaused = try await daemon.destination(domain).pausedBy != nil
            // What is on record has happened, and the other way round.
            #expect(isThere == (isPaused == (action == .pause)))
            if !isThere { try await act() }
        }
    }

    private static let manyDomains = (0..<60).map { "d\($0).many.test" }
    /// Their deliveries are more than one transaction marks.
    private static let manyMessages = 90

    /// Everything is purged, which the crash cuts in half, and brought back; held and released.
    private func many() async throws {
        let mails = (0..<Self.manyMessages).map { number in
            TestMail("many-\(number)", to: Self.manyDomains.map { "u\(number)@\($0)" })
        }
        let all = Self.manyMessages * Self.manyDomains.count
        try await scene.send(mails, to: daemon.port)
        accepted.value = Dictionary(uniqueKeysWithValues: mails.map { ($0.id, $0.recipients) })
        try await waitUntil("all are there") { try await daemon.totals().deliveries == all }
        let everything = Selector(filter: "domain = *.many.test")
        do {
            try await daemon.act(.purge, everything)
        } catch {
            try await revive()
        }
        // Whatever part of it was done is on record, and can be taken back.
        let purge = try #require(try await daemon.control.actions().rows.first)
        #expect(purge.action == .purge && purge.state == .undoable)
        let purging = try await daemon.totals().purging
        #expect(purging > 0 && (purging == all || crash.victims != .worker))
        do {
            _ = try await daemon.control.undo(purge.id)
        } catch {
            try await revive()
            _ = try await daemon.control.undo(purge.id)
        }
        let undone = try await daemon.totals()
        #expect(undone.purging == 0 && undone.deliveries == all, "\(undone)")
        try await daemon.act(.hold, everything)
        #expect(try await daemon.totals().held == all)
        try await daemon.act(.release, everything)
        #expect(try await daemon.totals().held == 0)
    }

    /// Acts as an operator who, after a crash, looks whether the action is there, and repeats it if
    /// it is not.
    private func perform(_ action: ActionKind, on domain: String) async throws {
        do {
            try await act(action, on: domain)
        } catch {
            try await revive()
            let rows = try await daemon.control.actions().rows
            let isThere = rows.contains { $0.action == action && $0.target.contains(domain) }
            if !isThere { try await act(action, on: domain) }
        }
    }

    private func act(_ action: ActionKind, on domain: String) async throws {
        try await daemon.act(action, Selector(filter: "domain = \(domain)"))
    }

    private func undo(_ domain: String) async throws {
        func action() async throws -> ActionRow? {
            try await daemon.control.actions().rows.first {
                $0.action == .purge && $0.target.contains(domain)
            }
        }
        guard let row = try await action() else { return }
        do {
            _ = try await daemon.control.undo(row.id)
        } catch {
            if daemon.ending != nil || hasFired { try await revive() }
            if let row = try await action(), row.state == .undoable {
                _ = try await daemon.control.undo(row.id)
            }
        }
    }
}
