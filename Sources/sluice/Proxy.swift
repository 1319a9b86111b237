import ArgumentParser
import Commands
import Control
import Glibc

struct Proxy: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connects the standard input and output with the control socket.",
        discussion: """
            Meant to be run by sluice --ssh on another machine. It has the rights of whoever runs \
            it here.
            """)

    @Option(
        help: ArgumentHelp(
            "The daemon's control socket. Default: $SLUICE_SOCKET, or \(SocketPath.standard).",
            valueName: "path"))
    var socket: String?

    func run() throws {
        let path = SocketPath.resolve(
            option: socket, environment: Console.environment("SLUICE_SOCKET"))
        let daemon = try connect(path)
        defer { close(daemon) }
        // Whoever was reading may be gone: that ends it, and is no error.
        signal(SIGPIPE, SIG_IGN)
        relay(with: daemon)
    }

    /// Until the daemon has closed its side. The end of the input is passed on, as it ends no
    /// answer that is on its way.
    private func relay(with daemon: CInt) {
        var sides = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: daemon, events: Int16(POLLIN), revents: 0),
        ]
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            guard poll(&sides, 2, -1) >= 0 else {
                if errno == EINTR { continue }
                return
            }
            if sides[0].revents != 0 {
                let count = read(STDIN_FILENO, &buffer, buffer.count)
                if count <= 0 {
                    shutdown(daemon, CInt(SHUT_WR))
                    // A negative descriptor is not asked about.
                    sides[0].fd = -1
                } else if !write(buffer, count, to: daemon) {
                    return
                }
            }
            if sides[1].revents != 0 {
                let count = read(daemon, &buffer, buffer.count)
                guard count > 0, write(buffer, count, to: STDOUT_FILENO) else { return }
            }
        }
    }

    private func write(_ buffer: [UInt8], _ count: Int, to descriptor: CInt) -> Bool {
        var start = 0
        while start < count {
            let written = buffer.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress! + start, count - start)
            }
            if written < 0, errno != EINTR { return false }
            start += max(0, written)
        }
        return true
    }

    private func connect(_ path: String) throws -> CInt {
        let descriptor = Glibc.socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room else {
            throw ControlError.connecting(to: path, code: ENAMETOOLONG)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            defer { close(descriptor) }
            throw ControlError.connecting(to: path, code: errno)
        }
        return descriptor
    }
}
