import DatabaseServer
import Dispatch
import FaultySystem
import Foundation
import Glibc
import Synchronization
import Testbed

/// Network namespaces, each with a link of its own to a router in one more, where the way between
/// any two can be cut: packets vanish without a word. None of it has a name or a link outside: the
/// namespaces, and all processes in them, end with this object, or with this process, however that
/// ends.
final class Network: Sendable {
    /// A namespace: a machine, as far as the others can see.
    struct Host: Sendable, Hashable {
        var name: String
        var number: Int
        /// The process that keeps it.
        fileprivate var keeper: Int32

        var address: String { "10.77.\(number).2" }
        fileprivate var gateway: String { "10.77.\(number).1" }
        fileprivate var file: String { "/proc/\(keeper)/ns/net" }
        fileprivate var port: String { "port\(number)" }

        /// What a program is started with in it: a path and an argument.
        var launcher: [String] { ["/usr/bin/nsenter", "--net=\(file)"] }
        var place: DatabaseServer.Place {
            DatabaseServer.Place(launcher: launcher, host: address, network: Network.range)
        }
    }

    /// How a way is cut.
    enum Cut: String, Sendable, CaseIterable {
        case both
        /// From the first to the second only.
        case there
        case back
    }

    static let range = "10.77.0.0/16"

    let hosts: [Host]
    private let router: Host
    private let keepers: [Keeper]

    init(_ names: [String]) throws {
        let routing = try Keeper()
        router = Host(name: "router", number: 0, keeper: routing.pid)
        var keepers = [routing]
        var hosts: [Host] = []
        for (place, name) in names.enumerated() {
            let keeper = try Keeper()
            keepers.append(keeper)
            hosts.append(Host(name: name, number: place + 1, keeper: keeper.pid))
        }
        self.keepers = keepers
        self.hosts = hosts
        var script = "echo 1 >/proc/sys/net/ipv4/ip_forward\n"
        for host in hosts {
            script += """
                ip link add \(host.port) type veth peer name eth0 netns \(host.keeper)
                ip address add \(host.gateway)/24 dev \(host.port)
                ip link set \(host.port) up

                """
        }
        try Self.run(script, in: router)
        for host in hosts {
            let script = """
                ip link set lo up
                ip address add \(host.address)/24 dev eth0
                ip link set eth0 up
                ip route add default via \(host.gateway)
                """
            try Self.run(script, in: host)
        }
    }

    subscript(name: String) -> Host { hosts.first { $0.name == name }! }

    func end() { for keeper in keepers { keeper.end() } }

    // MARK: Cuts

    func cut(_ a: Host, _ b: Host, _ how: Cut = .both) throws {
        try change("add", a, b, how)
    }

    func mend(_ a: Host, _ b: Host, _ how: Cut = .both) throws {
        try change("del", a, b, how)
    }

    private func change(_ verb: String, _ a: Host, _ b: Host, _ how: Cut) throws {
        var script = ""
        if how != .back { script += rule(verb, a, b) }
        if how != .there { script += rule(verb, b, a) }
        try Self.run(script, in: router)
    }

    private func rule(_ verb: String, _ from: Host, _ to: Host) -> String {
        "ip rule \(verb) from \(from.address) to \(to.address) blackhole\n"
    }

    /// Its cable is pulled, or put back: it has no way to anybody, and knows it.
    func unplug(_ host: Host) throws { try Self.run("ip link set eth0 down", in: host) }

    func plug(_ host: Host) throws {
        try Self.run(
            "ip link set eth0 up; ip route replace default via \(host.gateway)", in: host)
    }

    // MARK: Sockets

    /// A listening socket of this process in the namespace.
    func listener(in host: Host, backlog: CInt = 64) throws -> (socket: CInt, port: Int) {
        let listener = try Self.socket(in: host)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, backlog) == 0
                    && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else { throw TestbedError.system("listen in \(host.name)", errno) }
        return (listener, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// A socket of this process in a namespace, connected to another.
    func connection(from host: Host, to other: Host, port: Int) throws -> CInt {
        let connection = try Self.socket(in: host)
        // Bounds connect(2) too (socket(7)).
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(
            connection, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        inet_pton(AF_INET, other.address, &address.sin_addr)
        let isConnected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(connection, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            let code = errno
            close(connection)
            throw TestbedError.system("connect to \(other.name)", code)
        }
        return connection
    }

    /// A socket stays where it was made; the thread comes back at once.
    private static func socket(in host: Host) throws -> CInt {
        let own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        let there = open(host.file, O_RDONLY | O_CLOEXEC)
        defer {
            close(own)
            close(there)
        }
        guard own >= 0, there >= 0, faulty_enter_network(there) == 0 else {
            throw TestbedError.system("enter \(host.name)", errno)
        }
        let made = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        let code = errno
        // Whatever this thread did next would be in the wrong place.
        precondition(faulty_enter_network(own) == 0, "cannot leave a namespace")
        guard made >= 0 else { throw TestbedError.system("socket", code) }
        return made
    }

    // MARK: Whether there can be any

    /// Why there can be none here; nil: there can.
    static let obstacle: String? = {
        do {
            let network = try Network(["a", "b"])
            defer { network.end() }
            try network.cut(network["a"], network["b"])
            try network.mend(network["a"], network["b"])
            let (listener, port) = try network.listener(in: network["a"])
            defer { close(listener) }
            close(try network.connection(from: network["b"], to: network["a"], port: port))
            return nil
        } catch {
            return "no network namespaces here, which needs root, CAP_SYS_ADMIN, CAP_NET_ADMIN "
                + "and iproute2 (\(error))"
        }
    }()

    private static func run(_ script: String, in host: Host) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: host.launcher[0])
        process.arguments = host.launcher.dropFirst() + ["/bin/sh", "-e", "-c", script]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            let text = String(decoding: said, as: UTF8.self).prefix(300)
            throw TestbedError.refused("ip in \(host.name)", String(text))
        }
    }
}

/// A process that keeps a namespace until its input ends, and ends everything that runs there.
private final class Keeper: Sendable {
    private static let script = """
        echo ready
        read -r line
        own=$(readlink /proc/self/ns/net)
        for process in /proc/[0-9]*; do
            pid=${process#/proc/}
            [ $pid != $$ ] || continue
            if [ "$(readlink $process/ns/net)" = "$own" ]; then kill -KILL $pid; fi
        done
        """

    private let process = Process()
    private let input = Pipe()

    init() throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/unshare")
        process.arguments = ["--net", "/bin/sh", "-c", Self.script]
        process.standardInput = input
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let word = output.fileHandleForReading.availableData
        guard word.starts(with: Data("ready".utf8)) else {
            let said = errors.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            throw TestbedError.refused("unshare", String(decoding: said, as: UTF8.self))
        }
    }

    var pid: Int32 { process.processIdentifier }

    func end() {
        try? input.fileHandleForWriting.close()
        process.waitUntilExit()
    }
}
