import Control
import Logging
import Mail
import NIOCore
import NIOPosix
import NIOSSL
import SMTP
import Scheduler
import Settings

/// The SMTP listeners. Everything runs on the dispatcher's event loop.
final class IntakeServer {
    private let dispatcher: Dispatcher
    private let logger: Logger
    private var listeners: [any Channel] = []
    private var handlers: [ObjectIdentifier: ServerHandler] = [:]
    private let gate: IntakeGate

    init(dispatcher: Dispatcher, logger: Logger) {
        self.dispatcher = dispatcher
        self.logger = logger
        gate = IntakeGate(dispatcher: dispatcher)
    }

    /// Binds every configured address; the bound ones, with the ports that the system chose.
    func start(tls: NIOSSLContext?) -> EventLoopFuture<[SocketAddress]> {
        let settings = dispatcher.configuration.intake
        let bound = NIOLoopBound(self, eventLoop: dispatcher.loop)
        let futures =
            settings.listen.map { listen(on: $0, ListenerGate(gate, listener: nil), tls: tls) }
            + settings.listeners.enumerated().map { index, listener in
                listen(on: listener.listen, ListenerGate(gate, listener: index), tls: tls)
            }
        return EventLoopFuture.whenAllSucceed(futures, on: dispatcher.loop).map { channels in
            bound.value.listeners = channels
            return channels.compactMap(\.localAddress)
        }
    }

    private func listen(
        on endpoint: SocketEndpoint, _ gate: ListenerGate, tls: NIOSSLContext?
    ) -> EventLoopFuture<any Channel> {
        let bound = NIOLoopBound((self, gate), eventLoop: dispatcher.loop)
        return ServerBootstrap(group: dispatcher.loop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        AcceptPause { bound.value.0.cannotAccept($0) })
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 1024, initial: 8192, maximum: 1 << 18)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let (server, gate) = bound.value
                    try server.welcome(channel, gate, tls: tls)
                }
            }
            .bind(host: endpoint.address.description, port: endpoint.port)
            .flatMapErrorThrowing { error in
                throw IntakeError(
                    description: "intake cannot listen on \(endpoint): \(error); is another "
                        + "server on that port, or the address not this machine's?")
            }
    }

    private func welcome(
        _ channel: any Channel, _ gate: ListenerGate, tls: NIOSSLContext?
    ) throws {
        let settings = dispatcher.configuration.intake
        var limits = ServerLimits()
        limits.maxMessageSize = settings.maxMessageSize
        limits.maxRecipients = settings.maxRecipients
        limits.idleTimeout = settings.idleTimeout
        let handler = ServerHandler(
            hostname: dispatcher.configuration.hostname, limits: limits, tlsContext: tls,
            delegate: gate)
        let key = ObjectIdentifier(handler)
        handlers[key] = handler
        let bound = NIOLoopBound(self, eventLoop: dispatcher.loop)
        channel.closeFuture.assumeIsolated().whenComplete { _ in
            bound.value.handlers[key] = nil
        }
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    private func cannotAccept(_ reason: String) {
        let text =
            "clients cannot connect: \(reason); raise the limit (LimitNOFILE, ulimit -n) or "
            + "lower intake.max_connections"
        if dispatcher.warning == nil {
            logger.error("\(text)")
            dispatcher.publish("intake", text)
        }
        dispatcher.warn(text, for: .seconds(5))
    }

    /// No new connections; sessions end after the message that they are in.
    func stop(within grace: Duration) -> EventLoopFuture<Void> {
        for listener in listeners { listener.close(promise: nil) }
        for handler in handlers.values { handler.shutDown() }
        let promise = dispatcher.loop.makePromise(of: Void.self)
        awaitSessions(promise, until: dispatcher.clocks.monotonic() + grace)
        return promise.futureResult
    }

    private func awaitSessions(_ promise: EventLoopPromise<Void>, until deadline: Instant) {
        if handlers.isEmpty || dispatcher.clocks.monotonic() > deadline {
            return promise.succeed()
        }
        dispatcher.after(.milliseconds(20)) { [self] _ in
            awaitSessions(promise, until: deadline)
        }
    }
}

struct IntakeError: Error, CustomStringConvertible {
    var description: String
}
