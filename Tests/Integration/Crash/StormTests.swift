import Control
import Foundation
import Glibc
import Scheduler
import Testing

@testable import Testbed

extension Integration {
    /// Random kills under load, from a seed. `make crash STORM=300` makes a long one.
    @Suite struct StormTests {
        private static let environment = ProcessInfo.processInfo.environment
        private static var kills: Int {
            environment["SLUICE_STORM"].flatMap { Int($0) } ?? 10
        }
        private static var seeds: [UInt64] {
            environment["SLUICE_STORM_SEED"].flatMap { UInt64($0) }.map { [$0] } ?? [1]
        }

        @Test(
            .timeLimit(.minutes(max(3, kills / 8))), arguments: seeds
        ) func storm(seed: UInt64) async throws {
            try await withScene { scene in
                let storm = try await Storm.make(seed: seed, in: scene)
                let account = try await storm.run(kills: Self.kills)
                CrashTable.add(storm: seed, kills: Self.kills, storm.summary, account)
                #expect(account.accepted > 0)
                #expect(account.lost == [])
                // Beyond what had no result on disk when everything was killed: what a worker
                // that was killed alone had in its transactions.
                #expect(account.duplicatedMessages <= storm.allowedMessages)
            }
        }
    }
}

/// Kills, restarts, and the accounts at the end.
private final class Storm: Sendable {
    private enum Blow: String, CaseIterable {
        case manager
        case worker
        case all
        /// SIGSTOP: it hangs, and the manager has to notice.
        case stop
    }

    private static let concurrency = 3

    private let daemon: Daemon
    private let ledger: Ledger
    private let traffic: Traffic
    private let generator: Shared<SplitMix64>
    private let forced = Shared<Set<ReceivedDelivery>>([])
    private let blows = Shared<[Blow: Int]>([:])

    private init(daemon: Daemon, ledger: Ledger, traffic: Traffic, seed: UInt64) {
        self.daemon = daemon
        self.ledger = ledger
        self.traffic = traffic
        generator = Shared(SplitMix64(seed: seed))
    }

    static func make(seed: UInt64, in scene: Scene) async throws -> Storm {
        var settings = DaemonSettings()
        settings.workers = 3
        settings.limits = ["concurrency = \(concurrency)", "rate = \"off\""]
        settings.more = """
            [supervision]
            heartbeat = "200ms"
            heartbeat_timeout = "2s"
            restart_first = "10ms"
            restart_cap = "100ms"
            """
        let port = try PortReservation.freePort()
        settings.listen = "127.0.0.1:\(port)"
        let manners: [String: ReceiverManner] = [
            "fast.test": .fast, "some.test": .unknownUsers(share: 0.3),
            "grey.test": .greylisting(for: .milliseconds(200)),
            "full.test": .fullMailboxes(share: 0.2),
        ]
        var receivers: [Receiver] = []
        for (domain, manner) in manners {
            var manner = manner
            manner.delays.endOfData = .milliseconds(15)
            let receiver = try await scene.receiver(domain, manner, keep: .deliveries)
            settings.routes[domain] = receiver.route
            receivers.append(receiver)
        }
        let senders = try await scene.receiver("senders", .fast, keep: .messages)
        for domain in MailStream.senderDomains { settings.routes[domain] = senders.route }
        var options = Traffic.Options()
        options.rate = 120
        options.keepsAccepted = true
        return Storm(
            daemon: try await scene.daemon(settings),
            ledger: Ledger(receivers: receivers, senders: senders),
            traffic: Traffic(
                MailStream(domains: manners.keys.sorted(), mailboxes: 60, seed: seed),
                port: port, group: scene.group, options: options),
            seed: seed)
    }

    var summary: String {
        let blows = blows.value
        return Blow.allCases.map { "\($0.rawValue) \(blows[$0] ?? 0)" }.joined(separator: ", ")
    }

    /// Messages that may have come twice.
    var allowedMessages: Int {
        let alone = (blows.value[.worker] ?? 0) + (blows.value[.stop] ?? 0)
        // The receivers, and the senders'.
        let transactions = Self.concurrency * (ledger.receivers.count + 1)
        return Set(forced.value.map(\.id)).count + alone * transactions
    }

    func run(kills: Int) async throws -> Account {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [traffic] in await traffic.run() }
            for _ in 0..<kills {
                try await Task.sleep(for: .milliseconds(draw(50...600)))
                try await strike()
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        try await settle()
        return try await ledger.account(
            of: traffic.statistics.accepted, in: daemon, forced: forced.value)
    }

    private func draw(_ range: ClosedRange<Int>) -> Int {
        var generator = generator.value
        defer { self.generator.value = generator }
        return Int.random(in: range, using: &generator)
    }

    private func strike() async throws {
        // Kills of everything are dearer than the others: they wait for nothing.
        let blow: Blow =
            switch draw(0...9) {
            case 0...3: .manager
            case 4...6: .worker
            case 7, 8: .all
            default: .stop
            }
        let number = draw(1...3)
        blows.value[blow, default: 0] += 1
        switch blow {
        case .manager:
            try await daemon.end(SIGKILL)
            try await daemon.awaitWorkersEnd()
            try await daemon.start()
        case .all:
            // The manager first, or it would see its workers die.
            let pids = try await daemon.control.workers().rows.compactMap(\.pid)
            kill(daemon.pid, SIGKILL)
            for pid in pids { kill(Int32(pid), SIGKILL) }
            try await daemon.end(SIGKILL)
            try await daemon.awaitWorkersEnd()
            forced.value.formUnion(try await ledger.unrecorded(in: daemon.dataDirectory))
            try await daemon.start()
        case .worker, .stop:
            let row = try await eventually("worker \(number) runs") {
                try await daemon.control.workers().rows.first {
                    $0.id == number && $0.state == .running && $0.pid != nil
                }
            }
            guard let pid = row.pid else { return }
            kill(Int32(pid), blow == .stop ? SIGSTOP : SIGKILL)
            try await waitUntil("worker \(number) is replaced") {
                try await daemon.control.workers().rows.contains {
                    $0.id == number && $0.pid != nil && $0.pid != pid && $0.state == .running
                }
            }
        }
    }

    private func settle() async throws {
        let rest = "not (domain = full.test and code = 4xx)"
        do {
            try await waitUntil(
                "all mail has left or waits for full mailboxes", within: .seconds(600)
            ) {
                try await daemon.control.messages(filter: rest).total == 0
            }
        } catch {
            let rows = try await daemon.control.messages(filter: rest).rows
            throw daemon.failure(
                "\(error): "
                    + rows.map { "\($0.id) \($0.domain) \($0.state) \($0.why.text)" }
                    .joined(separator: ", "))
        }
        let totals = try await daemon.totals()
        let stored = try await daemon.control.messages().total
        #expect(totals.deliveries == stored, "the counts do not add up: \(totals)")
    }
}
