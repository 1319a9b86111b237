package import NIOCore
import NIOPosix
package import NIOSSL
import Synchronization

/// One misbehaving SMTP server on a loopback address of its own.
///
/// It keeps its port for its whole life, also while it refuses connections. All of it runs on one
/// event loop; its state is behind a lock so that statistics can be read from anywhere.
package final class Receiver: Sendable {
    package let name: String
    package let host: String
    package let port: Int
    package let manner: ReceiverManner
    let tls: NIOSSLContext?
    let clock: @Sendable () -> NIODeadline
    private let reservation: PortReservation
    private let eventLoop: any EventLoop
    private let state: Mutex<ReceiverState>
    private let sockets = Mutex(Sockets())

    private struct Sockets {
        var listener: (any Channel)?
        var connections: [ObjectIdentifier: any Channel] = [:]
        var turn: Scheduled<Void>?
        var isShutDown = false
    }

    /// Reserves a port and, unless the manner is to refuse, starts to listen.
    ///
    /// - Parameters:
    ///   - host: A loopback address, 127.0.0.0/8.
    ///   - port: 25 where the DNS leads to it, which has no ports; 0: any that is free.
    ///   - seed: What the receiver does by chance follows from it.
    ///   - clock: For quotas and greylisting; delays and the up-and-down cycle run on the event
    ///     loop's timers.
    ///   - tls: Offers STARTTLS with this.
    package init(
        name: String, manner: ReceiverManner, host: String = "127.0.0.1",
        port: Int = 0, group: any EventLoopGroup, seed: UInt64 = 1, keep: Keep = .counts,
        tls: NIOSSLContext? = nil, clock: @escaping @Sendable () -> NIODeadline = { .now() }
    ) async throws {
        precondition(host.hasPrefix("127."), "receivers listen on loopback only")
        self.name = name
        self.host = host
        self.manner = manner
        self.tls = tls
        self.clock = clock
        eventLoop = group.next()
        reservation = try PortReservation(host: host, port: port)
        self.port = reservation.port
        state = Mutex(ReceiverState(manner: manner, keep: keep, seed: seed, now: clock()))
        if manner.availability != .refusing {
            try await comeUp()
        }
        if case .cycle(let up, _) = manner.availability {
            scheduleTurn(after: up)
        }
    }

    /// As a static route: "127.1.0.3:40123".
    package var route: String { "\(host):\(port)" }

    package var statistics: ReceiverStatistics { state.withLock { $0.statistics } }

    /// Starts to listen, on the same port as before.
    package func comeUp() async throws {
        withState { $0.cameUp() }
        try await listen().get()
    }

    /// Refuses connections from now on and tears those that there are.
    package func goDown() async {
        // Cannot fail: `closeAll` completes whatever the single closes do.
        try? await closeAll().get()
    }

    /// Ends everything. The port is free when the receiver itself is gone.
    package func shutDown() async {
        sockets.withLock {
            $0.isShutDown = true
            $0.turn?.cancel()
        }
        await goDown()
    }

    func withState<R>(_ body: (inout ReceiverState) -> R) -> R {
        state.withLock { body(&$0) }
    }

    private func listen() -> EventLoopFuture<Void> {
        ServerBootstrap(group: eventLoop)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ReceiverHandler(receiver: self))
                    self.track(channel)
                }
            }
            .bind(host: host, port: port)
            .flatMap { listener in
                // It may have been shut down meanwhile.
                let isWelcome = self.sockets.withLock {
                    guard !$0.isShutDown, $0.listener == nil else { return false }
                    $0.listener = listener
                    return true
                }
                return isWelcome ? self.eventLoop.makeSucceededVoidFuture() : listener.close()
            }
    }

    private func closeAll() -> EventLoopFuture<Void> {
        let channels = sockets.withLock { sockets in
            let channels = Array(sockets.connections.values) + (sockets.listener.map { [$0] } ?? [])
            sockets.listener = nil
            return channels
        }
        return .andAllComplete(channels.map { $0.close() }, on: eventLoop)
    }

    private func track(_ channel: any Channel) {
        sockets.withLock { $0.connections[ObjectIdentifier(channel)] = channel }
        channel.closeFuture.whenComplete { _ in
            self.sockets.withLock { $0.connections[ObjectIdentifier(channel)] = nil }
        }
    }

    private func scheduleTurn(after time: Duration) {
        sockets.withLock { sockets in
            guard !sockets.isShutDown else { return }
            sockets.turn = eventLoop.scheduleTask(in: TimeAmount(time)) { self.turn() }
        }
    }

    /// Up becomes down, down becomes up.
    private func turn() {
        guard case .cycle(let up, let down) = manner.availability else { return }
        let isUp = sockets.withLock { $0.listener != nil }
        (isUp ? closeAll() : listen()).whenComplete { _ in
            self.scheduleTurn(after: isUp ? down : up)
        }
    }
}
