import Control
import Faults
import NIOCore

/// The worker's end of the socket pair. Confined to the event loop.
final class ManagerLink {
    private let channel: any Channel
    private var flushScheduled = false
    private(set) var isOpen = true

    init(_ channel: any Channel) {
        self.channel = channel
    }

    /// Frames of one turn of the event loop leave in one system call.
    func send(_ frame: Frame) {
        guard isOpen else { return }
        channel.write(frame, promise: nil)
        guard !flushScheduled else { return }
        flushScheduled = true
        channel.eventLoop.assumeIsolated().execute { [self] in
            flushScheduled = false
            channel.flush()
            FaultPoint.reported.reached()
        }
    }

    func ended() {
        isOpen = false
    }

    /// After all that was written.
    func close() {
        channel.flush()
        channel.close(promise: nil)
    }
}

/// Hands the manager's frames to the engine.
final class ManagerLinkHandler: ChannelInboundHandler {
    typealias InboundIn = Frame

    private let engine: Engine

    init(_ engine: Engine) {
        self.engine = engine
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        engine.received(unwrapInboundIn(data))
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        engine.schedulePump()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        engine.managerGone()
    }
}
