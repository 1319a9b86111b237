package import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Talks to the daemon over its Unix socket, on this machine or through ssh on another.
///
/// Connections are opened when needed and kept for the next request. Requests that may be
/// repeated go over a kept one and are tried again, once, if it turns out to be closed; actions
/// always have a fresh one, so that none is ever sent twice.
///
/// Every request throws `APIError` for what the daemon refuses, `ControlError` for a daemon that
/// cannot be asked or understood, `CancellationError` if its task was cancelled.
package final class ControlClient: Sendable {
    package let address: DaemonAddress
    /// From sending a request to the end of its answer; for a stream to the answer's head.
    package let timeout: Duration
    private let group: any EventLoopGroup
    private let idle = Mutex<[any Channel]>([])
    /// The newest, to say what became of it.
    private let tunnel = Mutex<Tunnel?>(nil)

    /// How many connections are kept: a monitor asks two questions at a time.
    private static let maximumIdle = 2
    /// In bytes: what HTTP parsers commonly take as a request's first line.
    private static let maximumTarget = 60_000

    package init(
        _ address: DaemonAddress, timeout: Duration = .seconds(15),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        self.address = address
        self.timeout = timeout
        self.group = group
    }

    package convenience init(
        socket: String, timeout: Duration = .seconds(15),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) {
        self.init(.socket(socket), timeout: timeout, group: group)
    }

    /// At the program's end: no ssh outlasts it.
    package static func endTunnels() { Tunnel.endAll() }

    /// Closes the kept connections. The client can go on being used.
    package func close() {
        let channels = idle.withLock { channels in
            defer { channels = [] }
            return channels
        }
        for channel in channels { channel.close(promise: nil) }
    }

    // MARK: Requests

    func get<T: Decodable>(_ target: RequestTarget) async throws -> T {
        try decoded(try await answer(.GET, target.text, body: nil).body, target.text)
    }

    func post<T: Decodable>(_ target: RequestTarget, _ body: (some Encodable)?) async throws -> T {
        let body = try body.map { try JSON.encode($0) }
        return try decoded(try await answer(.POST, target.text, body: body).body, target.text)
    }

    /// The answer, if it is 2xx.
    @discardableResult
    func answer(
        _ method: HTTPMethod, _ target: String, body: ByteBuffer?, type: String = "application/json"
    ) async throws -> Answer {
        let answer = try await exchange(method, target, body: body, type: type)
        guard (200..<300).contains(answer.status) else { throw refusal(answer, target) }
        return answer
    }

    func exchange(
        _ method: HTTPMethod, _ target: String, body: ByteBuffer?, type: String
    ) async throws -> Answer {
        if target.utf8.count > Self.maximumTarget {
            throw APIError(
                code: "too-long",
                message: "a request of \(target.utf8.count) bytes is too long: send fewer "
                    + "recipients, or a shorter filter, at a time")
        }
        do {
            if method == .GET, let kept = takeIdle() {
                do {
                    return try await exchange(method, target, body: body, type: type, on: kept)
                } catch ExchangeFailure.lost(started: false) where !Task.isCancelled {
                    // The daemon had closed the kept connection: a fresh one tells more.
                }
            }
            let channel = try await connect()
            return try await exchange(method, target, body: body, type: type, on: channel)
        } catch let failure as ExchangeFailure {
            try Task.checkCancellation()
            throw await error(failure, "\(method.rawValue) \(target)")
        }
    }

    private func exchange(
        _ method: HTTPMethod, _ target: String, body: ByteBuffer?, type: String,
        on channel: any Channel
    ) async throws -> Answer {
        var head = Self.head(method, target)
        if let body {
            head.headers.add(name: "content-type", value: type)
            head.headers.add(name: "content-length", value: String(body.readableBytes))
        } else if method == .POST {
            head.headers.add(name: "content-length", value: "0")
        }
        let answer = channel.eventLoop.makePromise(of: Answer.self)
        let exchange = Exchange(
            head: head, body: body, timeout: TimeAmount(timeout), answer: answer)
        let result = try await withTaskCancellationHandler {
            // A write on a closed channel never reaches the handler, which otherwise is the only
            // one to complete the promise.
            channel.writeAndFlush(exchange).whenFailure { error in
                if case ChannelError.ioOnClosedChannel = error {
                    answer.fail(ExchangeFailure.lost(started: false))
                }
            }
            return try await answer.futureResult.get()
        } onCancel: {
            channel.close(promise: nil)
        }
        if result.isKeptAlive { keep(channel) }
        return result
    }

    private static func head(_ method: HTTPMethod, _ target: String) -> HTTPRequestHead {
        // The host means nothing on a Unix socket, but HTTP/1.1 wants one.
        HTTPRequestHead(
            version: .http1_1, method: method, uri: target,
            headers: ["host": "localhost", "accept": "application/json"])
    }

    // MARK: Connections

    private func takeIdle() -> (any Channel)? {
        idle.withLock { channels in
            while let channel = channels.popLast() {
                if channel.isActive { return channel }
            }
            return nil
        }
    }

    private func keep(_ channel: any Channel) {
        let isKept = idle.withLock { channels in
            channels.removeAll { !$0.isActive }
            guard channels.count < Self.maximumIdle else { return false }
            channels.append(channel)
            return true
        }
        if !isKept { channel.close(promise: nil) }
    }

    private func connect<Connection: Sendable>(
        autoRead: Bool = true,
        _ setUp: @escaping @Sendable (any Channel) throws -> Connection
    ) async throws -> Connection {
        @Sendable func prepare(_ channel: any Channel) -> EventLoopFuture<Connection> {
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHTTPClientHandlers()
                return try setUp(channel)
            }
        }
        let bootstrap = ClientBootstrap(group: group).connectTimeout(TimeAmount(timeout))
            .channelOption(.autoRead, value: autoRead)
        do {
            switch address {
            case .socket(let path):
                return try await bootstrap.connect(
                    unixDomainSocketPath: path, channelInitializer: prepare)
            case .ssh(let host, let path):
                let tunnel = try Tunnel(host: host, socket: path, loop: group.any())
                self.tunnel.withLock { $0 = tunnel }
                return try await tunnel.open { socket in
                    try await bootstrap.withConnectedSocket(socket) { channel in
                        tunnel.taken(by: channel)
                        return prepare(channel)
                    }
                }
            }
        } catch {
            try Task.checkCancellation()
            throw error as? ControlError ?? ControlError.connecting(to: "\(address)", error)
        }
    }

    private func connect() async throws -> any Channel {
        try await connect { channel in
            try channel.pipeline.syncOperations.addHandler(AnswerHandler())
            return channel
        }
    }

    /// - Parameter timeout: until the answer begins; nil for that of requests.
    func openStream(
        _ target: String, splitsLines: Bool = true, timeout: Duration? = nil
    ) async throws -> StreamConnection {
        let (channel, handler) = try await connect(autoRead: false) { channel in
            let handler = StreamHandler(splitsLines: splitsLines)
            try channel.pipeline.syncOperations.addHandler(handler)
            return (channel, NIOLoopBound(handler, eventLoop: channel.eventLoop))
        }
        let head = Self.head(.GET, target)
        let timeout = TimeAmount(timeout ?? self.timeout)
        channel.eventLoop.execute { handler.value.request(head, timeout: timeout) }
        return StreamConnection(channel: channel, handler: handler)
    }

    // MARK: Errors

    func decoded<T: Decodable>(_ body: ByteBuffer, _ target: String) throws -> T {
        do {
            return try JSON.decode(T.self, from: body)
        } catch {
            throw ControlError(
                code: .protocol,
                message: "\(address): the answer to \(target) makes no sense (\(error)); do sluice "
                    + "and sluiced have the same version?")
        }
    }

    func refusal(_ answer: Answer, _ target: String) -> any Error {
        if let error = try? JSON.decode(APIError.self, from: answer.body) { return error }
        return ControlError(
            code: .protocol,
            message: "\(address): \(target) was answered with status \(answer.status) and no "
                + "reason; is this the control socket of sluiced?")
    }

    func streamError(_ error: any Error, _ target: String) async -> any Error {
        switch error {
        case let error as RefusedAnswer: refusal(error.answer, target)
        case ExchangeFailure.lost, is ChannelError:
            await tunnelError()
                ?? ControlError(
                    code: .noDaemon, message: "\(address): the daemon has closed the stream")
        case let failure as ExchangeFailure: await self.error(failure, "GET \(target)")
        default: error
        }
    }

    /// What ssh, or `sluice proxy` on the host, said at its end; nil without ssh.
    private func tunnelError() async -> ControlError? {
        guard case .ssh(let host, _) = address, let tunnel = tunnel.withLock({ $0 }) else {
            return nil
        }
        let words = await tunnel.lastWords
        return ControlError(
            code: .noDaemon,
            message: "\(host): "
                + (words.isEmpty ? "ssh ended without an answer" : words)
                + "\(ControlError.sshAdvice)\(host) sluice status' work, without a question?")
    }

    private func error(_ failure: ExchangeFailure, _ request: String) async -> ControlError {
        switch failure {
        case .lost, .malformed:
            if let error = await tunnelError() { return error }
        case .timeout, .tooLarge: break
        }
        return switch failure {
        case .lost(started: true):
            ControlError(
                code: .protocol,
                message: "\(address): the answer to \(request) broke off; look at the daemon's log")
        case .lost(started: false):
            ControlError(
                code: .noDaemon,
                message: "\(address): the daemon closed the connection without an answer to "
                    + "\(request); look at its log")
        case .timeout:
            ControlError(
                code: .timeout,
                message: "\(address): no answer to \(request) within \(timeout); the daemon hangs "
                    + "or is overloaded: look at its log")
        case .tooLarge:
            ControlError(
                code: .protocol,
                message: "\(address): the answer to \(request) is too large; ask for less with "
                    + "--limit or --filter")
        case .malformed(let what):
            ControlError(
                code: .protocol,
                message: "\(address): the answer to \(request) is not HTTP (\(what)); is this the "
                    + "control socket of sluiced?")
        }
    }
}
