import Mail
package import NIOCore

/// One SMTP session, the client's side, without I/O: greeting, EHLO (or HELO), STARTTLS, then
/// transactions one after the other.
///
/// What happens goes in by one method per event; then `next` is called until it says `.wait`, and
/// `takeOutput` is sent.
package struct ClientSession {
    package enum Action {
        case wait
        /// A transaction may be given to `deliver`.
        case ready
        /// Begin TLS, then call `secured` or `lost`.
        case startTLS
        case finished(TransactionResult)
        /// Send the output, then close. nil: nothing was wrong.
        case close(ClientError?)
    }

    enum State {
        case connecting
        case greeting
        case ehlo
        case helo
        case startTLS
        case handshake
        case idle
        case running
        case quitting
        case closed
    }

    let helo: String
    let tls: TLSMode
    private let timeouts: ClientTimeouts
    var state = State.connecting
    var transaction: RunningTransaction?
    var parser = ReplyParser()
    var output = ClientOutput()
    var actions: [Action] = []
    var needsReset = false
    var secure = false
    private let started: NIODeadline
    var connectTime = 0
    var quitsWhenIdle = false
    var notes: [(TraceDirection, String)] = []

    package internal(set) var capabilities = Capabilities()
    package var tracing = false {
        didSet { output.tracing = tracing }
    }

    /// - Parameter tls: `.off` too where TLS would be wanted but there is no context for it.
    package init(helo: String, tls: TLSMode, timeouts: ClientTimeouts, at now: NIODeadline) {
        self.helo = helo
        self.tls = tls
        self.timeouts = timeouts
        started = now
    }

    // MARK: Events

    package mutating func connected(at now: NIODeadline) {
        guard case .connecting = state else { return }
        connectTime = milliseconds(from: started, to: now)
        state = .greeting
    }

    package mutating func receive(_ bytes: ByteBuffer) {
        if case .closed = state { return }
        parser.receive(bytes)
    }

    package mutating func secured() {
        guard case .handshake = state else { return }
        secure = true
        sayEHLO()
    }

    /// Only after `.ready` or a result that says `reusable`, and one at a time; otherwise the
    /// transaction is deferred at once.
    package mutating func deliver(_ request: ClientTransaction, at now: NIODeadline) {
        let reset = needsReset
        var running = RunningTransaction(
            request, capabilities: capabilities, reset: reset, at: now)
        guard case .idle = state, !quitsWhenIdle else {
            running.lost(.local(EnhancedCode(4, 4, 2), "The connection is not ready"))
            actions.append(.finished(running.result(connect: connectTime, intact: false, at: now)))
            return
        }
        if let obstacle = request.obstacle(capabilities) {
            var result = running.result(connect: connectTime, intact: parser.isEmpty, at: now)
            result.outcomes = request.recipients.map { _ in .failed(obstacle, .mail) }
            actions.append(.finished(result))
            return
        }
        guard !request.recipients.isEmpty else {
            actions.append(.finished(running.result(connect: connectTime, intact: true, at: now)))
            return
        }
        needsReset = false
        state = .running
        running.begin(&output)
        transaction = running
    }

    /// The last byte of the message has gone to the network.
    package mutating func messageWritten() {
        transaction?.messageWritten()
    }

    /// Says goodbye, after the running transaction if there is one.
    package mutating func quit() {
        switch state {
        case .idle:
            output.write("QUIT")
            state = .quitting
        case .running:
            quitsWhenIdle = true
        case .quitting, .closed:
            break
        case .connecting, .greeting, .ehlo, .helo, .startTLS, .handshake:
            end(nil)
        }
    }

    /// The connection ended, or is to be ended, because of `text`.
    package mutating func lost(_ text: String, at now: NIODeadline) {
        switch state {
        case .closed:
            break
        case .idle, .quitting:
            end(nil)
        default:
            fail(Reply.local(EnhancedCode(4, 4, 2), text), at: now)
        }
    }

    package mutating func timedOut(at now: NIODeadline) {
        switch state {
        case .closed: break
        case .quitting: end(nil)
        default: fail(.local(EnhancedCode(4, 4, 2), "Timeout while waiting: \(phase)"), at: now)
        }
    }

    // MARK: What is to be done

    package var isClosed: Bool {
        if case .closed = state { true } else { false }
    }

    package mutating func next(at now: NIODeadline) -> Action {
        while actions.isEmpty {
            if case .closed = state { return .wait }
            do throws(ReplyError) {
                guard let reply = try parser.next() else { return .wait }
                note(reply)
                handle(reply, at: now)
            } catch {
                fail(.local(EnhancedCode(4, 5, 0), error.text), at: now)
            }
        }
        return actions.removeFirst()
    }

    /// What is to be sent; empties it.
    package mutating func takeOutput() -> ClientOutput? {
        guard !output.isEmpty else { return nil }
        defer {
            output = ClientOutput()
            output.tracing = tracing
        }
        return output
    }

    /// What was said since the last call, if `tracing`.
    package mutating func takeTrace() -> [(TraceDirection, String)] {
        for line in output.trace { notes.append((.sent, SafeText(line).text)) }
        output.trace = []
        defer { notes = [] }
        return notes
    }

    /// How long the server may take now; nil if nothing is asked of it.
    package var timeout: Duration? {
        switch state {
        case .connecting, .idle, .closed: return nil
        case .greeting: return timeouts.greeting
        case .ehlo, .helo, .startTLS: return timeouts.hello
        case .handshake: return timeouts.handshake
        case .quitting: return timeouts.quit
        case .running:
            switch transaction?.step {
            case .reset: return timeouts.hello
            case .mail: return timeouts.mail
            case .rcpt: return timeouts.rcpt
            case .data: return timeouts.data
            case .emptyMessage: return timeouts.finalDot
            case .message: return transaction?.dotSent == true ? timeouts.finalDot : timeouts.block
            case nil: return nil
            }
        }
    }

    /// In a word, for a screen.
    package var phase: String {
        switch state {
        case .connecting: return "connecting"
        case .greeting: return "greeting"
        case .ehlo: return "EHLO"
        case .helo: return "HELO"
        case .startTLS: return "STARTTLS"
        case .handshake: return "TLS"
        case .idle: return "idle"
        case .quitting: return "QUIT"
        case .closed: return "closed"
        case .running:
            switch transaction?.step {
            case .reset: return "RSET"
            case .mail: return "MAIL"
            case .rcpt: return "RCPT"
            case .data: return "DATA"
            case .message, .emptyMessage: return transaction?.dotSent == true ? "dot" : "message"
            case nil: return "idle"
            }
        }
    }

    var stage: Stage {
        switch state {
        case .connecting: .connect
        case .greeting: .greeting
        case .ehlo, .helo: .ehlo
        case .startTLS, .handshake: .tls
        case .idle, .quitting, .closed: .mail
        case .running: transaction?.stage ?? .mail
        }
    }

    // MARK: Trace

    private mutating func note(_ reply: Reply) {
        guard tracing else { return }
        for (index, line) in reply.lines.enumerated() {
            let separator = index == reply.lines.count - 1 ? " " : "-"
            let enhanced = reply.enhanced.map { "\($0) " } ?? ""
            notes.append((.received, "\(reply.code)\(separator)\(enhanced)\(line)"))
        }
    }
}
