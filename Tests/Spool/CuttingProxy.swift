import Foundation
import Glibc
import PostgreSQL
import Synchronization

@testable import Spool

/// Stands between a spool and its server, on a Unix socket, and cuts the connection where a test
/// says so: before the server sees a commit, or before the client sees that it was made.
final class CuttingProxy: Sendable {
    enum Moment: Sendable { case before, after }

    private struct State {
        var armed: Moment?
        var refusesThen = false
        var refuses = false
        var isClosed = false
        var pairs: [(client: Int32, server: Int32)] = []
    }

    let address: DatabaseAddress
    private let directory: TemporaryDirectory
    private let listener: Int32
    private let state = Mutex(State())
    private let thread = Mutex<BlockingThread?>(nil)

    init(to server: DatabaseAddress) throws {
        directory = try TemporaryDirectory()
        let parts = server.url.components(separatedBy: "?host=")
        address = DatabaseAddress(url: parts[0] + "?host=" + directory.path)
        listener = try Self.socket(directory.file(".s.PGSQL.5432"), bind)
        guard listen(listener, 16) == 0 else { throw CocoaError(.fileWriteUnknown) }
        let target = parts[1] + "/.s.PGSQL.5432"
        thread.withLock { $0 = BlockingThread { self.run(target) } }
    }

    /// The next commit is cut off; from then on new connections are refused until `accept`.
    func arm(_ moment: Moment, thenRefuse: Bool = false) {
        state.withLock {
            $0.armed = moment
            $0.refusesThen = thenRefuse
        }
    }

    var isArmed: Bool { state.withLock { $0.armed != nil } }

    func accept() { state.withLock { $0.refuses = false } }

    /// Cuts everything now; the server's side may stay open, as when a host is gone.
    func cut(keepingServer: Bool) {
        state.withLock { state in
            for pair in state.pairs {
                shutdown(pair.client, Int32(SHUT_RDWR))
                if !keepingServer { shutdown(pair.server, Int32(SHUT_RDWR)) }
            }
            if keepingServer { state.pairs = [] }
        }
    }

    func close() {
        state.withLock { $0.isClosed = true }
        thread.withLock { $0.take() }?.join()
        Glibc.close(listener)
    }

    private func run(_ target: String) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !state.withLock({ $0.isClosed }) {
            let pairs = state.withLock { $0.pairs }
            var polled = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            for pair in pairs {
                polled.append(pollfd(fd: pair.client, events: Int16(POLLIN), revents: 0))
                polled.append(pollfd(fd: pair.server, events: Int16(POLLIN), revents: 0))
            }
            // The time only bounds how late it notices that it has been closed.
            guard poll(&polled, nfds_t(polled.count), 20) > 0 else { continue }
            if polled[0].revents != 0 { connect(to: target) }
            for (index, pair) in pairs.enumerated() {
                let fromClient = polled[1 + 2 * index].revents != 0
                let fromServer = polled[2 + 2 * index].revents != 0
                if fromClient { forward(pair.client, pair.server, pair, .before, &buffer) }
                if fromServer { forward(pair.server, pair.client, pair, .after, &buffer) }
            }
        }
        for pair in state.withLock({ $0.pairs }) { drop(pair) }
    }

    private func connect(to target: String) {
        let client = Glibc.accept(listener, nil, nil)
        guard client >= 0 else { return }
        guard !state.withLock({ $0.refuses }),
            let server = try? Self.socket(target, Glibc.connect)
        else {
            Glibc.close(client)
            return
        }
        state.withLock { $0.pairs.append((client, server)) }
    }

    private func forward(
        _ from: Int32, _ to: Int32, _ pair: (client: Int32, server: Int32), _ moment: Moment,
        _ buffer: inout [UInt8]
    ) {
        let count = recv(from, &buffer, buffer.count, 0)
        guard count > 0 else { return drop(pair) }
        let bytes = buffer[..<count]
        // The name of the prepared statement, and the tag of its answer.
        let mark = Array((moment == .before ? "commit\0" : "COMMIT\0").utf8)
        let isCut = state.withLock { state in
            guard state.armed == moment, bytes.contains(mark) else { return false }
            state.armed = nil
            state.refuses = state.refusesThen
            return true
        }
        if isCut { return drop(pair) }
        var sent = 0
        while sent < count {
            let step = buffer.withUnsafeBytes {
                send(to, $0.baseAddress! + sent, count - sent, Int32(MSG_NOSIGNAL))
            }
            guard step > 0 else { return drop(pair) }
            sent += step
        }
    }

    private func drop(_ pair: (client: Int32, server: Int32)) {
        let isThere = state.withLock { state in
            let before = state.pairs.count
            state.pairs.removeAll { $0.client == pair.client }
            return state.pairs.count < before
        }
        guard isThere else { return }
        Glibc.close(pair.client)
        Glibc.close(pair.server)
    }

    private static func socket(
        _ path: String,
        _ attach: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws -> Int32 {
        let file = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: Array(path.utf8).prefix(bytes.count - 1))
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                attach(file, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            Glibc.close(file)
            throw CocoaError(.fileReadUnknown)
        }
        return file
    }
}

extension ArraySlice<UInt8> {
    fileprivate func contains(_ part: [UInt8]) -> Bool {
        guard count >= part.count else { return false }
        return (startIndex...(endIndex - part.count)).contains {
            self[$0..<($0 + part.count)].elementsEqual(part)
        }
    }
}
