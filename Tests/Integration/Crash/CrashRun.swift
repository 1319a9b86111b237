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
        for receiver in late { try await receiver.comeUp() }
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
