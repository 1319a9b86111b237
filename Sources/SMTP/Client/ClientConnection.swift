import Glibc
import Mail
package import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

/// An SMTP connection to one server. Confined to its event loop: every method is called there, and
/// so is the delegate, which is held until `closed`.
package final class ClientConnection {
    private let options: ClientOptions
    private let loop: any EventLoop
    private var delegate: (any ClientConnectionDelegate)?
    private var session: ClientSession
    private var context: ChannelHandlerContext?
    /// The connection could not be begun, through no fault of the other side.
    private var failedLocally = false
    private var watchdog: Watchdog?
    private var isProcessing = false

    /// "192.0.2.1:25".
    package let remote: String
    package private(set) var tls: TLSInfo?
    /// Since when it waits for what it waits for now.
    package private(set) var waitingSince: NIODeadline
    /// Asked before a message, and again right before its end: whether it may still be sent. Where
    /// it may not the connection ends. nil: it always may.
    package var mayGoOn: (() -> Bool)?
    /// What messages say is traced too. Never unless somebody asked for it.
    package var tracesContent = false

    package var tracing: Bool {
        get { session.tracing }
        set { session.tracing = newValue }
    }

    /// Octets handed to the network at a time: what `ClientTimeouts.block` is for.
    private static let block = 256 * 1024

    /// Octets that go to the network together with the end of the message where that has to be asked
    /// for: a socket's buffer takes so many at once.
    private static let unasked = 8 * 1024

    private init(
        remote: String, options: ClientOptions, loop: any EventLoop,
        delegate: any ClientConnectionDelegate
    ) {
        self.remote = remote
        self.options = options
        self.loop = loop
        self.delegate = delegate
        waitingSince = loop.now
        let tls: TLSMode =
            options.tls == .opportunistic && options.tlsContext == nil ? .off : options.tls
        session = ClientSession(
            helo: options.helo, tls: tls, timeouts: options.timeouts, at: loop.now)
        watchdog = Watchdog(on: loop) { [weak self] in self?.timedOut() }
    }

    /// Begins to connect; to be called on `loop`. Nothing is reported before this returns.
    package static func open(
        to address: SocketAddress, options: ClientOptions, on loop: any EventLoop,
        delegate: any ClientConnectionDelegate
    ) -> ClientConnection {
        let connection = ClientConnection(
            remote: text(of: address), options: options, loop: loop, delegate: delegate)
        let bound = NIOLoopBound(connection, eventLoop: loop)
        var bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(TimeAmount(options.timeouts.connect))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ClientHandler(bound.value))
                }
            }
        if let local = options.localAddress { bootstrap = bootstrap.bind(to: local) }
        bootstrap.connect(to: address).assumeIsolated().whenFailure { error in
            // On loopback this can be known already.
            loop.assumeIsolated().execute {
                let code = (error as? IOError)?.errnoCode
                connection.failedLocally = code.map(SystemError.isLocal) ?? false
                connection.lost(describe(error))
            }
        }
        return connection
    }

    /// Runs on a channel that exists already, connected or not: how tests do without a network.
    package static func adopt(
        _ channel: any Channel, remote: String, options: ClientOptions,
        delegate: any ClientConnectionDelegate
    ) throws -> ClientConnection {
        let connection = ClientConnection(
            remote: remote, options: options, loop: channel.eventLoop, delegate: delegate)
        try channel.pipeline.syncOperations.addHandler(ClientHandler(connection))
        return connection
    }

    /// Gives it a message; see `ClientSession.deliver` for when.
    package func deliver(_ transaction: ClientTransaction) {
        session.deliver(transaction, at: loop.now)
        process()
    }

    /// QUIT, then the end; after the running transaction if there is one.
    package func quit() {
        session.quit()
        process()
    }

    /// The end, at once. A running transaction is deferred, and what the network has not taken yet is
    /// not sent: a reset takes its place (socket(7), SO_LINGER).
    package func abort() {
        let context = context
        if let channel = context?.channel as? any SocketOptionProvider {
            // Where that fails the rest is sent, as at any other end.
            _ = channel.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }
        lost("Aborted")
        // TLS would wait for the other end's goodbye.
        try? context?.pipeline.syncOperations.context(handlerType: NIOSSLClientHandler.self)
            .close(promise: nil)
    }

    /// What it is doing, in a word: "connecting", "RCPT", "dot", "idle", "closed".
    package var phase: String { session.phase }

    // MARK: From the channel

    fileprivate func added(_ context: ChannelHandlerContext) {
        if session.isClosed {
            // Aborted before there was a channel.
            context.close(promise: nil)
            return
        }
        self.context = context
        if context.channel.isActive { connected() }
    }

    fileprivate func connected() {
        session.connected(at: loop.now)
        process()
    }

    fileprivate func received(_ bytes: ByteBuffer) {
        session.receive(bytes)
        process()
    }

    fileprivate func secured() {
        guard let context else { return }
        let handler = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)
        tls = TLSInfo(version: Self.text(of: handler?.tlsVersion))
        if tracing { note("TLS: \(tls?.version ?? "")") }
        session.secured()
        process()
    }

    fileprivate func caught(_ error: any Error) {
        // A server that ends TLS by closing the connection has ended the connection.
        if case NIOSSLError.uncleanShutdown = error { return lost("Connection closed") }
        lost(Self.describe(error))
    }

    fileprivate func lost(_ text: String) {
        session.lost(text, at: loop.now)
        process()
    }

    private func timedOut() {
        session.timedOut(at: loop.now)
        process()
    }

    // MARK: The session

    private func process() {
        // The delegate calls us from within.
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        while true {
            let action = session.next(at: loop.now)
            if tracing { trace() }
            switch action {
            case .wait:
                send()
                arm()
                return
            case .ready:
                delegate?.ready(self)
            case .finished(let result):
                delegate?.finished(self, result)
            case .startTLS:
                send()
                startTLS()
            case .close(let error):
                send()
                close(error)
                return
            }
        }
    }

    private func send() {
        if tracing { trace() }
        guard let output = session.takeOutput(), let context else { return }
        if output.message != nil, !goesOn() { return }
        if output.commands.readableBytes > 0 {
            context.write(NIOAny(output.commands), promise: nil)
        }
        if let message = output.message {
            write(output.needsStuffing ? DotStuffing.apply(to: message) : message, context)
            if tracing { note("a message of \(message.readableBytes) octets") }
            if tracing, tracesContent { traceContent(of: message) }
        }
        context.flush()
    }

    /// The message and its end, in blocks each of which restarts the clock.
    private func write(_ message: ByteBuffer, _ context: ChannelHandlerContext) {
        var rest = message
        while rest.readableBytes > Self.block, let block = rest.readSlice(length: Self.block) {
            context.write(NIOAny(block))
                .assumeIsolated().whenSuccess { self.arm() }
        }
        let end = DotStuffing.endsItsLine(message) ? Self.dotLine : Self.lineAndDotLine
        guard mayGoOn != nil, message.readableBytes > Self.unasked else {
            context.write(NIOAny(rest), promise: nil)
            return writeEnd(end, context)
        }
        // What lies in the queue is sent whenever the network takes it: the end is not to lie there.
        context.write(NIOAny(rest)).assumeIsolated().whenSuccess {
            guard let context = self.context, self.goesOn() else { return }
            self.arm()
            self.writeEnd(end, context)
            context.flush()
        }
    }

    private func writeEnd(_ end: ByteBuffer, _ context: ChannelHandlerContext) {
        context.write(NIOAny(end)).assumeIsolated().whenSuccess {
            self.session.messageWritten()
            self.arm()
        }
    }

    /// False where it ends, which happens in a moment.
    private func goesOn() -> Bool {
        guard let mayGoOn, !mayGoOn() else { return true }
        loop.assumeIsolated().execute { self.lost("This host may send nothing now") }
        return false
    }

    private static let dotLine = ByteBuffer(string: ".\r\n")
    private static let lineAndDotLine = ByteBuffer(string: "\r\n.\r\n")

    private func arm() {
        waitingSince = loop.now
        if let timeout = session.timeout {
            watchdog?.arm(timeout)
        } else {
            watchdog?.disarm()
        }
    }

    private func startTLS() {
        guard let context, let tlsContext = options.tlsContext else {
            session.lost("TLS is required and not configured", at: loop.now)
            return
        }
        do {
            let name = options.serverName.flatMap { name in
                AddressLiteral.isIPv4(name) || AddressLiteral.isIPv6(name) ? nil : name
            }
            try context.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: tlsContext, serverHostname: name), position: .first)
        } catch {
            session.lost(Self.describe(error), at: loop.now)
        }
    }

    private func close(_ error: ClientError?) {
        watchdog?.cancel()
        watchdog = nil
        context?.close(promise: nil)
        context = nil
        let delegate = self.delegate
        self.delegate = nil
        var error = error
        if failedLocally { error?.isLocal = true }
        delegate?.closed(self, error)
    }

    // MARK: Telling

    private func trace() {
        for (direction, line) in session.takeTrace() {
            delegate?.traced(self, direction: direction, line: line)
        }
    }

    /// Lines of a message that a trace shows, and octets of each: the beginning says what it is.
    private static let tracedLines = 60
    private static let tracedColumns = 200

    /// What the message says, as it is sent but for the dots; bounded.
    private func traceContent(of message: ByteBuffer) {
        var rest = message
        for _ in 0..<Self.tracedLines {
            let bytes = rest.readableBytesView
            if bytes.isEmpty { return }
            let end = bytes.firstIndex(of: lf)
            let length = end.map { $0 - bytes.startIndex + 1 } ?? bytes.count
            let line = rest.readSlice(length: length)?.readableBytesView ?? bytes
            let shown = line.prefix(Self.tracedColumns).filter { $0 != cr && $0 != lf }
            let more = line.count > Self.tracedColumns ? "…" : ""
            delegate?.traced(
                self, direction: .content,
                line: SafeText(String(decoding: shown, as: UTF8.self)).text + more)
        }
        if rest.readableBytes > 0 { note("\(rest.readableBytes) octets more are not shown") }
    }

    private func note(_ text: String) {
        delegate?.traced(self, direction: .note, line: text)
    }

    private static func text(of address: SocketAddress) -> String {
        let host = address.ipAddress ?? address.pathname ?? ""
        let port = address.port ?? 0
        return host.utf8.contains(0x3A) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    private static func text(of version: TLSVersion?) -> String {
        switch version {
        case .tlsv1: "TLSv1"
        case .tlsv11: "TLSv1.1"
        case .tlsv12: "TLSv1.2"
        case .tlsv13: "TLSv1.3"
        default: "TLS"
        }
    }

    private static func describe(_ error: any Error) -> String {
        switch error {
        case let error as IOError: SystemError.text(error.errnoCode) ?? "\(error)"
        case ChannelError.connectTimeout: "Connection timed out"
        default: SafeText("\(error)", limit: 200).text
        }
    }
}

/// The channel's end of a connection.
private final class ClientHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: ClientConnection

    init(_ connection: ClientConnection) {
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        connection.added(context)
    }

    func channelActive(context: ChannelHandlerContext) {
        connection.connected()
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.received(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.lost("Connection closed by the server")
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted = event as? TLSUserEvent { connection.secured() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        connection.caught(error)
    }
}
