import NIOCore
import NIOPosix
import NIOSSL

/// Drives one `ReceiverSession` with the bytes, timers and end of one connection. Lives on the
/// connection's event loop.
final class ReceiverHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Longer than any command that RFC 5321 §4.5.3.1.4 and its extensions allow.
    private static let maxCommandLength = 4096

    private let receiver: Receiver
    private var session: ReceiverSession
    private var input = ByteBuffer()
    private var pending: [ReceiverSession.Action] = []
    private var isWaiting = false
    private var isOver = false
    private var collector: DataCollector?
    private var tearAfter: Int?

    init(receiver: Receiver) {
        self.receiver = receiver
        session = ReceiverSession(hostname: receiver.name, offersTLS: receiver.tls != nil)
    }

    func channelActive(context: ChannelHandlerContext) {
        pending = receiver.withState { session.connected(&$0) }
        proceed(context: context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        isOver = true
        receiver.withState { session.disconnected(&$0) }
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        var bytes = unwrapInboundIn(data)
        input.writeBuffer(&bytes)
        proceed(context: context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Carries out what is to be done, then takes more input, until one of them has to wait.
    private func proceed(context: ChannelHandlerContext) {
        while !isWaiting, !isOver {
            if !pending.isEmpty {
                perform(pending.removeFirst(), context: context)
            } else if !takeInput(context: context) {
                break
            }
        }
        input.discardReadBytes()
        context.flush()
    }

    private func takeInput(context: ChannelHandlerContext) -> Bool {
        if collector != nil { return takeData(context: context) }
        guard let end = input.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) else {
            if input.readableBytes > Self.maxCommandLength {
                pending = [.reply(ScriptedReply(500, "5.5.6", "Line too long")), .close]
                return true
            }
            return false
        }
        var line = input.readString(length: end - input.readerIndex) ?? ""
        input.moveReaderIndex(forwardBy: 1)
        if line.last == "\r" { line.removeLast() }
        let now = receiver.clock()
        pending = receiver.withState { session.command(line, &$0, now: now) }
        return true
    }

    private func takeData(context: ChannelHandlerContext) -> Bool {
        let before = input.readableBytes
        let isComplete = collector?.collect(from: &input) ?? false
        if let limit = tearAfter {
            tearAfter = limit - (before - input.readableBytes)
            if limit <= before {
                receiver.withState { $0.dropped() }
                pending = [.tear]
                return true
            }
        }
        guard isComplete, let content = collector?.content else { return false }
        collector = nil
        tearAfter = nil
        let now = receiver.clock()
        pending = receiver.withState { session.message(content, &$0, now: now) }
        return true
    }

    private func perform(_ action: ReceiverSession.Action, context: ChannelHandlerContext) {
        switch action {
        case .reply(let reply):
            var buffer = context.channel.allocator.buffer(capacity: 128)
            reply.write(to: &buffer)
            context.write(wrapOutboundOut(buffer), promise: nil)
        case .wait(let time):
            isWaiting = true
            context.flush()
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: TimeAmount(time)) {
                let (handler, context) = bound.value
                guard !handler.isOver else { return }
                handler.isWaiting = false
                handler.proceed(context: context)
            }
        case .collect(let limit):
            collector = DataCollector()
            tearAfter = limit
        case .startTLS:
            startTLS(context: context)
        case .close:
            isOver = true
            hangUp(context: context)
        case .tear:
            isOver = true
            context.close(promise: nil)
        }
    }

    /// Ends its own half first: a full close while the client still sends would turn into a reset,
    /// which can overtake the reply. The client's close, or the deadline, ends the rest.
    private func hangUp(context: ChannelHandlerContext) {
        context.flush()
        context.close(mode: .output, promise: nil)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let deadline = context.eventLoop.scheduleTask(in: .seconds(5)) {
            bound.value.close(promise: nil)
        }
        context.channel.closeFuture.whenComplete { _ in deadline.cancel() }
    }

    private func startTLS(context: ChannelHandlerContext) {
        guard let tls = receiver.tls else { return }
        context.flush()
        input.clear()
        pending = []
        do {
            try context.pipeline.syncOperations.addHandler(
                NIOSSLServerHandler(context: tls), position: .first)
            // Whatever comes next is encrypted, or the connection fails.
            receiver.withState { session.secured(&$0) }
        } catch {
            context.close(promise: nil)
        }
    }
}
