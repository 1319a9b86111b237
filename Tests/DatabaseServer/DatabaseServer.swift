import Foundation
import Glibc
package import PostgreSQL
import Synchronization

/// A PostgreSQL server with a cluster of its own in a temporary directory, reached through a Unix
/// socket there. It and its directory go when this process ends, however that ends: a shell waits
/// for the end of a pipe from here.
///
/// Commits do not wait for the disk (fsync=off) unless they are to: a killed server, unlike a power
/// cut, loses nothing by that.
package final class DatabaseServer: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package enum Stop: String, Sendable {
        /// Sessions are ended in good order.
        case fast = "INT"
        /// As if it had crashed: the next start recovers.
        case immediate = "QUIT"
    }

    /// One for the whole run; not for tests that stop it.
    package static let shared = Result { try DatabaseServer() }

    package static let user = "sluice"

    /// Where a server is that others reach over TCP, at port 5432 of an address.
    package struct Place: Sendable {
        /// What its programs are started with: a path and arguments.
        package var launcher: [String]
        package var host: String
        /// From where anybody is trusted, as in 10.0.0.0/8.
        package var network: String

        package init(launcher: [String], host: String, network: String) {
            self.launcher = launcher
            self.host = host
            self.network = network
        }
    }

    private let directory: String
    private let place: Place?
    private let process: Process
    private let orders: FileHandle
    private let databases = Atomic<Int>(0)

    /// - Parameters:
    ///   - isDurable: commits wait for the disk.
    ///   - primary: what this one is to be a standby of, by streaming replication.
    ///   - place: nil: it is reached through its Unix socket only.
    package init(
        isDurable: Bool = false, standbyOf primary: DatabaseServer? = nil, at place: Place? = nil
    ) throws {
        self.place = place
        let template = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-db-XXXXXX").path
        var bytes = Array(template.utf8CString)
        guard mkdtemp(&bytes) != nil else { throw CocoaError(.fileWriteUnknown) }
        directory = String(decoding: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let programs = try Self.programs()
        // PostgreSQL refuses to run as root.
        var asUser: [String] = []
        if geteuid() == 0 {
            guard let nobody = getpwnam("nobody"),
                chown(directory, nobody.pointee.pw_uid, nobody.pointee.pw_gid) == 0
            else { throw Failure(description: "\(directory): cannot be given to nobody") }
            asUser = [
                "setpriv", "--reuid=\(nobody.pointee.pw_uid)", "--regid=\(nobody.pointee.pw_gid)",
                "--clear-groups",
            ]
        }
        asUser = (place?.launcher ?? []) + asUser
        let data = directory + "/data"
        if let primary {
            try Self.run(
                asUser + [
                    "\(programs)/pg_basebackup", "--pgdata=\(data)",
                    "--host=\(primary.place?.host ?? primary.directory)",
                    "--username=\(Self.user)", "--write-recovery-conf", "--checkpoint=fast",
                    "--no-sync",
                ], in: directory)
        } else {
            try Self.initialize(data, asUser + ["\(programs)/initdb"], in: directory, place)
        }

        process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.arguments =
            ["-c", Self.guardian, "sh", directory] + asUser + [
                "\(programs)/postgres", "-D", data, "-k", directory,
                "-c", "listen_addresses=\(place?.host ?? "")",
                "-c", "fsync=\(isDurable ? "on" : "off")", "-c", "shared_buffers=64MB",
                "-c", "max_connections=200",
                // A partition is over soon: the two are to meet again soon after it.
                "-c", "wal_sender_timeout=5s", "-c", "wal_receiver_timeout=5s",
                "-c", "wal_retrieve_retry_interval=500ms",
            ]
        let pipe = Pipe()
        process.standardInput = pipe
        orders = pipe.fileHandleForWriting
        try process.run()
        try awaitReadiness()
        if primary != nil { return }
        try execute("CREATE ROLE \(Self.lockedUser) PASSWORD 'open sesame' LOGIN CREATEDB")
    }

    private static func initialize(
        _ data: String, _ initdb: [String], in directory: String, _ place: Place?
    ) throws {
        try run(
            initdb + [
                "--pgdata=\(data)", "--username=\(user)", "--auth=trust", "--encoding=UTF8",
                "--locale=C.UTF-8", "--no-sync",
            ], in: directory)
        // The first rule that fits decides.
        let rules = data + "/pg_hba.conf"
        let network = place.map {
            "host all all \($0.network) trust\nhost replication all \($0.network) trust\n"
        }
        try
            ("local all \(lockedUser) scram-sha-256\n" + (network ?? "")
            + String(contentsOfFile: rules, encoding: .utf8))
            .write(toFile: rules, atomically: false, encoding: .utf8)
    }

    /// Starts the server, stops it when it is told how, starts it when it is told to go on, and
    /// removes everything at the end of its input.
    private static let guardian = """
        directory=$1; shift
        while :; do
            rm -f "$directory/stopped"
            "$@" >>"$directory/log" 2>&1 &
            server=$!
            read -r how || { kill -INT $server; wait $server; break; }
            kill -$how $server
            wait $server
            : >"$directory/stopped"
            read -r go || break
        done
        rm -rf "$directory"
        """

    /// Needs a password, "open sesame".
    package static let lockedUser = "locked"

    // MARK: Stopping and starting

    package func stop(_ how: Stop) throws {
        try orders.write(contentsOf: Data("\(how.rawValue)\n".utf8))
        try wait("stops") { access(directory + "/stopped", F_OK) == 0 }
    }

    package func start() throws {
        try orders.write(contentsOf: Data("go\n".utf8))
        try awaitReadiness()
    }

    package func restart(_ how: Stop) throws {
        try stop(how)
        try start()
    }

    /// From now on commits wait for the standby.
    package func awaitStandby() throws {
        try execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        try execute("SELECT pg_reload_conf()")
        try wait("has a synchronous standby") {
            let rows = try? execute(
                "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'")
            return rows?.first?.int(0) == 1
        }
    }

    /// Makes a standby the primary.
    package func promote() throws { try execute("SELECT pg_promote()", in: readable) }

    /// The server and its sessions stand still, or go on.
    package func freeze() { signal(SIGSTOP) }
    package func thaw() { signal(SIGCONT) }

    /// Kills all of it at once, for good.
    package func kill() { signal(SIGKILL) }

    /// The server first, so that it starts no more of them.
    private func signal(_ number: Int32) {
        let file = directory + "/data/postmaster.pid"
        let lines = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        guard let server = lines.split(separator: "\n").first.flatMap({ Int32($0) }) else { return }
        Glibc.kill(server, number)
        let task = "/proc/\(server)/task/\(server)/children"
        let children = (try? String(contentsOfFile: task, encoding: .utf8)) ?? ""
        for child in children.split(separator: " ").compactMap({ Int32($0) }) {
            Glibc.kill(child, number)
        }
    }

    /// Ends it for good.
    package func end() {
        thaw()
        try? orders.close()
        process.waitUntilExit()
    }

    /// A standby too.
    private var readable: DatabaseAddress {
        DatabaseAddress(url: address(of: "postgres").url + "&target_session_attrs=any")
    }

    private func awaitReadiness() throws {
        try wait("starts") { (try? Connection(readable)) != nil }
    }

    private func wait(_ what: String, _ condition: () -> Bool) throws {
        for _ in 0..<1200 {
            if condition() { return }
            guard process.isRunning else { break }
            usleep(50_000)
        }
        let log = (try? String(contentsOfFile: directory + "/log", encoding: .utf8)) ?? ""
        throw Failure(description: "PostgreSQL: not so: it \(what)\n\(log.suffix(2000))")
    }

    // MARK: Databases

    package func address(of database: String, user: String = user) -> DatabaseAddress {
        DatabaseAddress(url: "postgresql://\(user)@/\(database)?host=\(directory)")
    }

    /// Over TCP, of several servers whichever accepts writes.
    package static func address(of database: DatabaseAddress, at places: [Place]) -> DatabaseAddress
    {
        let hosts = places.map(\.host).joined(separator: ",")
        return DatabaseAddress(url: "postgresql://\(user)@\(hosts)/\(name(of: database))")
    }

    private static func name(of database: DatabaseAddress) -> Substring {
        database.description.split(separator: "/").last ?? ""
    }

    /// This one or another, whichever accepts writes.
    package func address(of database: String, or other: DatabaseServer) -> DatabaseAddress {
        DatabaseAddress(url: address(of: database).url + ",\(other.directory)")
    }

    package func createDatabase(owner: String = user) throws -> DatabaseAddress {
        let name = "test\(databases.add(1, ordering: .relaxed).newValue)"
        try execute("CREATE DATABASE \(name) OWNER \(owner) TEMPLATE template0")
        return address(of: name, user: owner)
    }

    package func drop(_ address: DatabaseAddress) throws {
        try execute("DROP DATABASE IF EXISTS \(Self.name(of: address)) WITH (FORCE)")
    }

    @discardableResult
    package func execute(_ sql: String, in address: DatabaseAddress? = nil) throws -> Rows {
        try Connection(address ?? self.address(of: "postgres")).run(sql, within: .seconds(600))
    }

    // MARK: Programs

    private static func programs() throws -> String {
        let base = "/usr/lib/postgresql"
        let versions = ((try? FileManager.default.contentsOfDirectory(atPath: base)) ?? [])
            .compactMap(Int.init).filter { $0 >= 15 }.sorted()
        guard let version = versions.last else {
            throw Failure(
                description: "PostgreSQL 15 is not installed: scripts/install-packages test")
        }
        return "\(base)/\(version)/bin"
    }

    private static func run(_ command: [String], in directory: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.arguments = command
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "\(command.joined(separator: " ")):\n\(text)")
        }
    }
}
