import Glibc

/// A real DNS server (dnsmasq, Debian's `dnsmasq-base`) on a loopback port, for the names that
/// it is given; every other name does not exist.
package final class DNSServer: Sendable {
    package enum Record: Sendable {
        case mx(String, host: String, preference: UInt16)
        /// IPv4 and IPv6 addresses of a host.
        case addresses(String, [String])
        /// The target must be one of the other records' names.
        case cname(String, target: String)
        /// RFC 7505.
        case nullMX(String)
        /// RDATA as it is, whatever it is.
        case raw(String, type: UInt16, data: [UInt8])
        /// Every question for this name and below it is refused.
        case refused(String)
    }

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    /// UDP and TCP on 127.0.0.1.
    package let port: Int

    private let pid: pid_t
    /// The server's log; open as long as the server is, which writes into it.
    private let log: CInt

    /// `ttl` in seconds. Returns when the server answers.
    package init(_ records: [Record], ttl: Int = 300) throws {
        guard let program = Self.program else {
            throw Failure(
                description: "dnsmasq is not installed; install it: apt-get install dnsmasq-base")
        }
        let configuration = try Self.configuration(records, ttl: ttl)
        var lastFailure = ""
        // Another process can take the port before dnsmasq does: then another port.
        for _ in 0..<5 {
            let port = try Self.freePort()
            let text = "port=\(port)\n" + configuration
            let (pid, log) = try Self.start(program, configuration: text)
            lastFailure = Self.readUntilStarted(log)
            if lastFailure.isEmpty {
                self.port = port
                self.pid = pid
                self.log = log
                return
            }
            close(log)
            Self.end(pid)
        }
        throw Failure(description: "dnsmasq does not start: \(lastFailure)")
    }

    deinit {
        Self.end(pid)
        close(log)
    }

    // MARK: Configuration

    private static func configuration(_ records: [Record], ttl: Int) throws -> String {
        // Nothing of the system's: no hosts file, no servers to ask. "#" is every domain.
        var lines = [
            "listen-address=127.0.0.1", "bind-interfaces", "no-resolv", "no-hosts", "no-poll",
            "local=/#/", "local-ttl=\(ttl)", "cache-size=0",
        ]
        for record in records {
            switch record {
            case .mx(let domain, let host, let preference):
                lines.append("mx-host=\(domain),\(host),\(preference)")
            case .addresses(let host, let addresses):
                for address in addresses { lines.append("host-record=\(host),\(address)") }
            case .cname(let name, let target): lines.append("cname=\(name),\(target)")
            case .nullMX(let domain): lines.append("dns-rr=\(domain),15,000000")
            case .raw(let name, let type, let data):
                lines.append("dns-rr=\(name),\(type),\(data.map(hexadecimal).joined())")
            // "#": to the standard servers, of which there are none.
            case .refused(let domain): lines.append("server=/\(domain)/#")
            }
        }
        let text = lines.joined(separator: "\n") + "\n"
        guard !lines.contains(where: { $0.contains("\n") }) else {
            throw Failure(description: "a line end in a DNS record")
        }
        return text
    }

    private static func hexadecimal(_ byte: UInt8) -> String {
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }

    // MARK: Process

    private static var program: String? {
        ["/usr/sbin/dnsmasq", "/usr/local/sbin/dnsmasq", "/usr/bin/dnsmasq"]
            .first { access($0, X_OK) == 0 }
    }

    /// Free for TCP at this moment.
    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw failure("socket") }
        defer { close(descriptor) }
        // sockaddr_in as bytes: family, port 0, 127.0.0.1.
        var address = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_in>.size)
        address[0] = UInt8(AF_INET)
        address.replaceSubrange(4..<8, with: [127, 0, 0, 1])
        var length = socklen_t(address.count)
        let isBound = address.withUnsafeMutableBytes { bytes in
            let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            guard let pointer, bind(descriptor, pointer, length) == 0 else { return false }
            return getsockname(descriptor, pointer, &length) == 0
        }
        guard isBound else { throw failure("bind") }
        return Int(address[2]) << 8 | Int(address[3])
    }

    /// Its configuration comes through its standard input, its log from its standard error.
    private static func start(
        _ program: String, configuration: String
    ) throws -> (pid: pid_t, log: CInt) {
        var input: [CInt] = [-1, -1]
        var output: [CInt] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &input) == 0 else { throw failure("socketpair") }
        guard socketpair(AF_UNIX, type, 0, &output) == 0 else {
            close(input[0])
            close(input[1])
            throw failure("socketpair")
        }
        defer {
            close(input[0])
            close(input[1])
            close(output[1])
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 2)

        // A thread may have its signals blocked, and the server would inherit that: it must hear
        // SIGTERM.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        // As root it would change to a user that need not exist.
        let user = geteuid() == 0 ? ["--user=root"] : []
        let arguments =
            [program, "--no-daemon", "--conf-file=-", "--pid-file=", "--log-facility=-"] + user
        var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, program, &actions, &attributes, &pointers, environ)
        guard code == 0 else {
            throw Failure(description: "\(program): \(String(cString: strerror(code)))")
        }
        var rest = Array(configuration.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                send(input[1], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0 && errno != EINTR { break }
            rest = rest.dropFirst(max(count, 0))
        }
        shutdown(input[1], Int32(SHUT_WR))
        return (pid, output[0])
    }

    /// "" when it says that it has started; else what it said before it ended.
    private static func readUntilStarted(_ log: CInt) -> String {
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(log, &buffer, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return text.isEmpty ? "it said nothing" : text }
            text += String(decoding: buffer[..<count], as: UTF8.self)
            // It listens before it says so.
            if text.contains(": started, version") { return "" }
        }
    }

    private static func end(_ pid: pid_t) {
        kill(pid, SIGTERM)
        var status: CInt = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    }

    private static func failure(_ call: String) -> Failure {
        Failure(description: "\(call): \(String(cString: strerror(errno)))")
    }
}
