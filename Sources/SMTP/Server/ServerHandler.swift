import Mail
package import NIOCore
package import NIOSSL

/// Runs a server session on a channel of bytes. Made for one channel, on its event loop; the
/// channel must not allow half closure by the client.
package final class ServerHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private let hostname: String
    private let limits: ServerLimits
    private let tlsContext: NIOSSLContext?
    private let delegate: any IntakeDelegate

    private var session: ServerSession?
    private var context: ChannelHandlerContext?
    private var watchdog: Watchdog?
    private var isProcessing = false
    private var heldRead = false
    /// Which message awaits its reply; a second reply to an earlier one is ignored.
    private var verdicts = 0
    private var isClosing = false

    /// Bytes sent ahead of a reply after which we stop reading.
    private static let maxBacklog = 64 * 1024
    /// How long a client may take to read our last words.
    private static let lingering = Duration.seconds(2)

    package init(
        hostname: String, limits: ServerLimits = ServerLimits(), tlsContext: NIOSSLContext? = nil,
        delegate: any IntakeDelegate
    ) {
        self.hostname = hostname
        self.limits = limits
        self.tlsContext = tlsContext
        self.delegate = delegate
    }

    package var peer: Peer? { session?.peer }

    /// Ends the session: at once between messages, otherwise when the running message has its
    /// reply. On the event loop.
    package func shutDown() {
        session?.shutDown()
        process()
    }

    // MARK: Channel events

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start(context) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    package func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isClosing { return }
        session?.receive(unwrapInboundIn(data))
        process()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        watchdog?.cancel()
        watchdog = nil
        isClosing = true
        if let peer = session?.peer {
            if let id = session?.disconnected() { delegate.abandoned(id) }
            session = nil
            delegate.closed(peer)
        }
        context.fireChannelInactive()
    }

    package func read(context: ChannelHandlerContext) {
        // While a message is being committed the client may send ahead, within limits; and a
        // client that does not read its replies is not read from.
        if (session?.backlog ?? 0) > Self.maxBacklog || !context.channel.isWritable {
            heldRead = true
        } else {
            context.read()
        }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        resumeReading(context)
        context.fireChannelWritabilityChanged()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset, or TLS that failed: in both cases there is nobody to tell.
        context.close(promise: nil)
    }

    // MARK: The session

    private func start(_ context: ChannelHandlerContext) {
        guard session == nil, !isClosing else { return }
        let address = context.remoteAddress
        let peer = Peer(
            address: address?.ipAddress ?? "", port: address?.port ?? 0, localName: hostname)
        session = ServerSession(peer: peer, limits: limits, offersTLS: tlsContext != nil)
        watchdog = Watchdog(on: context.eventLoop) { [weak self] in self?.timedOut() }
        let refusal = delegate.admit(peer)
        session?.greet(refusal: refusal)
        process()
    }

    private func timedOut() {
        if isClosing {
            context?.close(promise: nil)
        } else {
            session?.timedOut()
            process()
        }
    }

    private func process() {
        // A delegate that answers at once calls us from within.
        guard !isProcessing, let context, session != nil else { return }
        isProcessing = true
        defer { isProcessing = false }
        while let action = session?.next() {
            switch action {
            case .wait:
                send(context)
                arm()
                resumeReading(context)
                return
            case .recipient(let address):
                if let peer = session?.peer, let sender = session?.sender {
                    let refusal = delegate.recipient(address, sender: sender, peer: peer)
                    session?.answerRecipient(refusal)
                }
            case .begin(let envelope):
                if let peer = session?.peer {
                    let start = delegate.begin(envelope, peer: peer)
                    session?.answerBegin(start)
                }
            case .message(let message):
                verdicts += 1
                let number = verdicts
                delegate.message(message) { reply in self.finish(number, reply) }
            case .abandoned(let id):
                delegate.abandoned(id)
            case .startTLS:
                send(context)
                startTLS(context)
            case .close(let linger):
                close(context, linger: linger)
                return
            }
        }
    }

    private func finish(_ number: Int, _ reply: Reply) {
        guard number == verdicts else { return }
        session?.finish(reply)
        process()
    }

    private func send(_ context: ChannelHandlerContext) {
        guard let output = session?.takeOutput() else { return }
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
    }

    private func arm() {
        if let timeout = session?.timeout {
            watchdog?.arm(timeout)
        } else {
            watchdog?.disarm()
        }
    }

    private func resumeReading(_ context: ChannelHandlerContext) {
        guard heldRead, (session?.backlog ?? 0) <= Self.maxBacklog, context.channel.isWritable
        else { return }
        heldRead = false
        context.read()
    }

    private func startTLS(_ context: ChannelHandlerContext) {
        guard let tlsContext else { return }
        do {
            try context.pipeline.syncOperations.addHandler(
                NIOSSLServerHandler(context: tlsContext), position: .first)
        } catch {
            context.close(promise: nil)
        }
    }

    private func close(_ context: ChannelHandlerContext, linger: Bool) {
        isClosing = true
        // Whatever the client does, this is over soon.
        watchdog?.arm(Self.lingering)
        let mode: CloseMode = linger ? .output : .all
        guard let output = session?.takeOutput() else {
            context.close(mode: mode, promise: nil)
            return
        }
        context.writeAndFlush(wrapOutboundOut(output)).assumeIsolated().whenComplete { _ in
            context.close(mode: mode, promise: nil)
        }
    }
}
