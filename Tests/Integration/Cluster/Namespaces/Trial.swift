import Control
import DatabaseServer
import Foundation
import Glibc
import PostgreSQL
import Testbed
import Testing

/// Three nodes, a database with a synchronous standby, clients and receivers, each in a network
/// namespace of its own, under load; and what is done to them.
final class Trial: Sendable {
    static let destinations = 12
    static let limit = 2
    static let lease = Duration.seconds(4)

    private let network: Network
    private let witness: Witness
    private let load: Load
    private let nodes: [Daemon]
    private let hosts: [Network.Host]
    private let servers: Shared<Servers>
    private let books = Shared(Books())
    private let start = ContinuousClock.now

    private struct Servers: Sendable {
        var primary: DatabaseServer
        var primaryHost: Network.Host
        /// None between a fail-over and the next time that all is well.
        var standby: DatabaseServer?
        var standbyHost: Network.Host
        var database: DatabaseAddress

        /// The database, on whichever is the primary.
        var address: DatabaseAddress {
            let name = database.description.split(separator: "/").last.map(String.init) ?? ""
            return primary.address(of: name)
        }
    }

    /// Something that keeps a node from recording what it does.
    private struct Hurt: Sendable {
        var nodes: Set<Int>
        var since: Wall
        /// Nil: until everything is mended.
        var until: Wall?
    }

    private struct Books: Sendable {
        var hurts: [Hurt] = []
        var story: [String] = []
        /// Nodes that were cut off from the database or killed: when, and what they delivered to.
        var losses: [(node: Int, what: String, at: Wall, destinations: Set<Int>)] = []
        var takeOvers: [String] = []
        var down: Set<Int> = []
        var cut: Set<Int> = []
    }

    private static let names = ["a", "b", "c"]

    /// - Parameter clocks: seconds that the nodes' clocks are ahead of the true time.
    static func run(_ plan: TrialPlan, seed: UInt64?, clocks: [Int]) async throws {
        try await withScene { scene in
            let network = try Network(
                names + ["clients", "receivers", "database1", "database2"])
            defer { network.end() }
            let trial = try await Trial(in: scene, network, clocks: clocks)
            defer { trial.end() }
            do {
                try await trial.carryOut(plan)
            } catch {
                throw Overdue(description: "\(error)\n\(trial.report(plan, seed))")
            }
            try await trial.judge(plan, seed)
        }
    }

    private init(in scene: Scene, _ network: Network, clocks: [Int]) async throws {
        self.network = network
        hosts = Self.names.map { network[$0] }
        let places = [network["database1"], network["database2"]]
        let primary = try DatabaseServer(at: places[0].place)
        let database = try primary.createDatabase()
        let standby = try DatabaseServer(standbyOf: primary, at: places[1].place)
        servers = Shared(
            Servers(
                primary: primary, primaryHost: places[0], standby: standby,
                standbyHost: places[1], database: database))
        try primary.awaitStandby()
        witness = try Witness(
            in: network["receivers"], of: network, destinations: Self.destinations,
            limit: Self.limit, nodes: hosts)
        load = Load(network, nodes: hosts, destinations: Self.destinations, rate: 20)
        let address = DatabaseServer.address(of: database, at: places.map(\.place))
        var nodes: [Daemon] = []
        for (number, host) in hosts.enumerated() {
            let node = try scene.idleDaemon(
                Self.settings(host, address, witness.ports, network), name: host.name)
            node.launcher = host.launcher + [try Program.sluiced]
            try FaultySystemControl(for: node).setClock(.seconds(clocks[number]))
            nodes.append(node)
        }
        self.nodes = nodes
        for node in nodes { try await node.start() }
        try Self.watchRecords(primary, database)
    }

    private static func settings(
        _ host: Network.Host, _ database: DatabaseAddress, _ ports: [Int], _ network: Network
    ) -> DaemonSettings {
        var settings = DaemonSettings()
        settings.workers = 1
        settings.listen = "\(host.address):\(Load.port)"
        settings.intake = ["allow = [\"\(Network.range)\"]"]
        for (number, port) in ports.enumerated() {
            settings.routes[Load.domain(number)] = "\(network["receivers"].address):\(port)"
        }
        settings.limits = ["rate = \"off\"", "concurrency = \(limit)"]
        settings.more = """
            [spool]
            url = "\(database.url)"
            [cluster]
            node = "\(host.name)"
            lease = "\(lease.components.seconds)s"
            """
        return settings
    }

    /// The database itself says when a message was known to be gone.
    private static func watchRecords(
        _ server: DatabaseServer, _ database: DatabaseAddress
    ) throws {
        for sql in [
            "CREATE TABLE public.recorded (sender text, at timestamptz DEFAULT clock_timestamp())",
            """
            CREATE FUNCTION public.record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO public.recorded (sender) VALUES (OLD.sender);
                RETURN NULL;
            END $$
            """,
            """
            CREATE TRIGGER record AFTER DELETE ON sluice.deliveries
                FOR EACH ROW EXECUTE FUNCTION public.record()
            """,
        ] {
            try server.execute(sql, in: database)
        }
    }

    private func end() {
        witness.end()
        servers.value.primary.end()
        servers.value.standby?.end()
    }

    // MARK: The course of it

    private func carryOut(_ plan: TrialPlan) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [load] in await load.run() }
            for step in plan.steps {
                tell(step.description)
                try await perform(step)
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        tell("the load ends")
        try await waitUntil("all that was accepted is delivered", within: .seconds(900)) {
            missing.isEmpty
        }
        tell("all is delivered")
        let server = servers.value.primary
        try await waitUntil("nothing is queued", within: .seconds(900)) {
            let rows = try server.execute(
                "SELECT count(*) FROM sluice.deliveries", in: servers.value.address)
            return rows.first?.int(0) == 0
        }
    }

    private func tell(_ what: String) {
        let time = ContinuousClock.now - start
        books.value.story.append("\(time.inSeconds): \(what)")
    }

    private func perform(_ step: TrialPlan.Step) async throws {
        switch step {
        case .kill(let node): try await kill(node)
        case .stop(let node):
            try await nodes[node].end(SIGTERM)
            books.value.down.insert(node)
        case .drain(let node): try await drain(node)
        case .start(let node):
            // One that finds no database ends; systemd would start it again.
            _ = try await eventually("node \(node) starts", within: .seconds(600)) {
                do {
                    try await nodes[node].start()
                    return true
                } catch TestbedError.daemon {
                    return nil
                }
            }
            books.value.down.remove(node)
        case .cut(let node, let far, let how): try cut(node, far, how)
        case .mend(let node, let far, let how): try mend(node, far, how)
        case .freeze:
            hurt(Set(nodes.indices))
            servers.value.primary.freeze()
        case .thaw: servers.value.primary.thaw()
        case .separate:
            hurt(Set(nodes.indices))
            try network.cut(servers.value.primaryHost, servers.value.standbyHost)
        case .reunite: try network.mend(servers.value.primaryHost, servers.value.standbyHost)
        case .restart:
            hurt(Set(nodes.indices))
            try servers.value.primary.restart(.immediate)
        case .failOver(let how):
            hurt(Set(nodes.indices))
            try await failOver(how)
        case .pause(let milliseconds): try await Task.sleep(for: .milliseconds(milliseconds))
        case .outage: try await outage()
        case .flow: try await flow()
        }
    }

    private func hurt(_ nodes: Set<Int>, until: Wall? = nil) {
        books.value.hurts.append(Hurt(nodes: nodes, since: wallClock(), until: until))
    }

    private func lose(_ node: Int, _ what: String) {
        let owned = witness.read { book in book.owners.filter { $0.value == node }.map(\.key) }
        books.value.losses.append((node, what, wallClock(), Set(owned)))
    }

    private func kill(_ node: Int) async throws {
        hurt([node])
        let place = books.value.hurts.count - 1
        // Its workers are of its group.
        Glibc.kill(-nodes[node].pid, SIGKILL)
        try await nodes[node].end(SIGKILL)
        witness.read { $0.killed(node) }
        // What it had sent by then is heard by then.
        try await witness.caughtUp()
        books.value.hurts[place].until = wallClock()
        books.value.down.insert(node)
        lose(node, "killed")
    }

    private func drain(_ node: Int) async throws {
        let away = books.value.down.union(books.value.cut)
        let other = nodes.indices.first { $0 != node && !away.contains($0) } ?? node
        let said = try await Program.run(
            try Program.sluice,
            ["node", "drain", Self.names[node], "--socket", nodes[other].socket])
        guard said.status == 0 else { throw Overdue(description: "node drain: \(said)") }
        _ = try await eventually("node \(node) is drained and ends", within: .seconds(600)) {
            nodes[node].ending
        }
        nodes[node].control.close()
        books.value.down.insert(node)
    }

    // MARK: The network

    private func far(_ node: Int, _ far: TrialPlan.Far) -> [Network.Host] {
        let databases = [network["database1"], network["database2"]]
        let others = hosts.filter { $0 != hosts[node] }
        return switch far {
        case .database: databases
        case .receivers: [network["receivers"]]
        case .nodes: others
        case .everything: databases + others + [network["receivers"]]
        }
    }

    private func cut(_ node: Int, _ from: TrialPlan.Far, _ how: Network.Cut) throws {
        hurt([node])
        books.value.cut.insert(node)
        for host in far(node, from) { try network.cut(hosts[node], host, how) }
        if from == .receivers || from == .everything { witness.read { $0.cut(node) } }
        if from == .database || from == .everything { lose(node, "cut off") }
    }

    private func mend(_ node: Int, _ from: TrialPlan.Far, _ how: Network.Cut) throws {
        if from == .receivers || from == .everything { witness.read { $0.mended(node) } }
        for host in far(node, from) { try network.mend(hosts[node], host, how) }
        books.value.cut.remove(node)
    }

    // MARK: The database

    private func failOver(_ how: TrialPlan.FailOver) async throws {
        let (old, place) = (servers.value.primary, servers.value.primaryHost)
        guard let standby = servers.value.standby else { return }
        var others: [Network.Host] = []
        switch how {
        case .crash: old.kill()
        case .switchover: try old.stop(.fast)
        case .isolation: others = hosts + [servers.value.standbyHost]
        case .splitBrain: others = [hosts[0], servers.value.standbyHost]
        }
        for other in others { try network.cut(place, other) }
        try standby.promote()
        servers.value.primary = standby
        servers.value.primaryHost = servers.value.standbyHost
        servers.value.standby = nil
        servers.value.standbyHost = place
        if !others.isEmpty { try await Task.sleep(for: .seconds(6)) }
        // It is fenced.
        old.kill()
        old.end()
        for other in others { try network.mend(place, other) }
    }

    private func outage() async throws {
        hurt(Set(nodes.indices))
        let up = nodes.indices.filter { !books.value.down.contains($0) }
        let before = load.read.refusedBy
        servers.value.primary.freeze()
        // By then nobody has a lease: it counts from a request that was sent before.
        try await Task.sleep(for: Self.lease * 5 / 4)
        for node in up {
            try await waitUntil("node \(node) refuses mail and says why") {
                let error = try await nodes[node].control.status().spoolError
                return load.read.refusedBy[node] > before[node] && error != nil
            }
        }
        try await witness.caughtUp()
        witness.read { $0.isQuiet = true }
        try await Task.sleep(for: .seconds(1))
        witness.read { $0.isQuiet = false }
        servers.value.primary.thaw()
    }

    /// Everything is mended; the database gets a standby again if it has none, and every destination
    /// mail.
    private func flow() async throws {
        if servers.value.standby == nil {
            let standby = try DatabaseServer(
                standbyOf: servers.value.primary, at: servers.value.standbyHost.place)
            servers.value.standby = standby
            try servers.value.primary.awaitStandby()
        }
        for node in nodes.indices where !books.value.down.contains(node) {
            try await waitUntil("node \(node) records again") {
                try await nodes[node].control.status().spoolError == nil
            }
        }
        let up = nodes.indices.filter { !books.value.down.contains($0) }
        for node in up {
            let rows = Shared<[NodeRow]>([])
            do {
                try await waitUntil("node \(node) sees all others, each with its share") {
                    rows.value = try await nodes[node].control.nodes().rows
                    return rows.value.count { $0.state == .live } == up.count
                        && rows.value.allSatisfy { $0.has == $0.share }
                }
            } catch let error as Overdue {
                let shares = rows.value.map { "\($0.name) \($0.state) \($0.has) of \($0.share)" }
                throw Overdue(description: "\(error): \(shares.joined(separator: ", "))")
            }
        }
        let before = witness.read { $0.counts }
        try await waitUntil("every destination gets mail", within: .seconds(600)) {
            zip(witness.read { $0.counts }, before).allSatisfy { $0 > $1 }
        }
        let now = wallClock()
        for place in books.value.hurts.indices where books.value.hurts[place].until == nil {
            books.value.hurts[place].until = now
        }
        measure()
    }

    /// From the loss of a node to the first message of another, for what it delivered to.
    private func measure() {
        let copies = witness.read { $0.copies }
        for loss in books.value.losses {
            var first: [Int: Wall] = [:]
            for copy in copies
            where copy.dotAt > loss.at && loss.destinations.contains(copy.destination)
                && first[copy.destination] == nil
            {
                // What it delivered itself after that is no take-over.
                first[copy.destination] = copy.node == loss.node ? .max : copy.dotAt
            }
            let times = first.values.filter { $0 != .max }.map { Double($0 - loss.at) / 1e6 }
            guard let least = times.min(), let most = times.max() else { continue }
            books.value.takeOvers.append(
                "node \(loss.node) \(loss.what): \(times.count) destinations taken over, the "
                    + "first after \(least.tenths) s, the last after \(most.tenths) s")
        }
        books.value.losses = []
    }

    // MARK: The accounts

    private var missing: Set<String> {
        let came = witness.read { Set($0.copies.map(\.id)) }
        return Set(load.read.accepted.keys).subtracting(came)
    }

    private func judge(_ plan: TrialPlan, _ seed: UInt64?) async throws {
        let rows = try servers.value.primary.execute(
            "SELECT sender, (extract(epoch FROM min(at)) * 1e6)::bigint FROM public.recorded"
                + " GROUP BY sender", in: servers.value.address)
        var recorded: [String: Wall] = [:]
        for row in rows {
            recorded[String(row.text(0).prefix { $0 != "@" })] = row.int(1)
        }
        let copies = Dictionary(grouping: witness.read { $0.copies }, by: \.id)
        var (twice, unforced) = (0, [String]())
        for (id, copies) in copies {
            for (first, next) in zip(copies, copies.dropFirst()) {
                twice += 1
                let isForced = books.value.hurts.contains { hurt in
                    hurt.nodes.contains(first.node) && hurt.since <= next.mailAt
                        && first.dotAt <= hurt.until ?? .max
                        && recorded[id] ?? .max > hurt.since
                }
                guard !isForced else { continue }
                let hurts = books.value.hurts.filter { $0.nodes.contains(first.node) }.map {
                    "\($0.since - first.dotAt)…\(($0.until ?? .max) - first.dotAt)"
                }
                unforced.append(
                    """
                    \(id): nodes \(first.node), \(next.node); µs after the first final dot: recorded \
                    \(recorded[id].map { "\($0 - first.dotAt)" } ?? "never"), again \
                    \(next.mailAt - first.dotAt), troubles \(hurts.joined(separator: ", "))
                    """)
            }
        }
        let load = load.read
        let faults = witness.read { $0.faults }
        let refused = load.refused.keys.count { copies[$0] != nil }
        let summary = """
            \(load.accepted.count) accepted, \(missing.count) lost, \(twice) came twice \
            (\(unforced.count) of them without need), \(load.refused.count) refused \
            (\(refused) of them came nevertheless), \(load.uncertain) uncertain; \
            \(witness.read { $0.transactions }) transactions, at most \
            \(witness.read { $0.connectionsMax }) connections at once to a destination, \
            \(witness.read { $0.lateOnes }) late from the kernel of a node that was killed; \
            faults: \(faults.count)
            """
        print((books.value.story + books.value.takeOvers + [summary]).joined(separator: "\n"))
        let report = Comment(rawValue: report(plan, seed))
        #expect(missing == [], report)
        #expect(unforced == [], report)
        #expect(faults == [], report)
        #expect(load.rejected == [], report)
        #expect(load.accepted.count > 0, report)
    }

    private func report(_ plan: TrialPlan, _ seed: UInt64?) -> String {
        let logs = nodes.map { node in
            node.logText.split(separator: "\n").suffix(20).joined(separator: "\n")
        }
        return """
            seed: \(seed.map(String.init) ?? "none")
            plan: \(plan.description)
            \(books.value.story.suffix(60).joined(separator: "\n"))
            faults: \(witness.read { $0.faults.prefix(20) }.joined(separator: "\n"))
            missing: \(missing.sorted().prefix(20))
            \(logs.joined(separator: "\n--\n"))
            """
    }
}

extension Duration {
    fileprivate var inSeconds: String { (self / .seconds(1)).tenths }
}

extension Double {
    fileprivate var tenths: String { "\((self * 10).rounded() / 10)" }
}
