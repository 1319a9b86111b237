package import Mail
package import NIOCore

/// One SMTP session, the server's side, without I/O (RFC 5321, with PIPELINING, SIZE, 8BITMIME,
/// SMTPUTF8, ENHANCEDSTATUSCODES, DSN and STARTTLS).
///
/// Bytes go in with `receive`; `next` is called until it says `.wait`, and each action that asks
/// something is answered before the next call; what is to be sent gathers in `takeOutput`.
package struct ServerSession {
    package enum Action {
        /// Nothing to do until more bytes or the awaited answer come.
        case wait
        /// Answer with `answerRecipient`.
        case recipient(EmailAddress)
        /// Answer with `answerBegin`.
        case begin(Envelope)
        /// Answer with `finish`, perhaps much later.
        case message(ReceivedMessage)
        /// A message that began and that the session refuses.
        case abandoned(MessageID)
        /// Send the output, then begin TLS.
        case startTLS
        /// Send the output, then close. `linger`: the client may still be sending, so let it read
        /// what we said before the connection is reset.
        case close(linger: Bool)
    }

    enum State {
        case silent
        case command
        case recipient(EnvelopeRecipient)
        case begin
        case data
        case verdict
        case closed
    }

    package internal(set) var peer: Peer
    let limits: ServerLimits
    let offersTLS: Bool
    var state = State.silent
    var input = ByteBuffer()
    var output = ByteBuffer()
    /// To be returned by `next` before anything else is done.
    var actions: [Action] = []
    /// EHLO was said, not HELO.
    var extended = false
    var secure = false
    /// The transaction, from MAIL on.
    var envelope: Envelope?
    var incoming: IncomingMessage?
    /// Commands since the last accepted message, RCPT not counted.
    var commands = 0
    var errors = 0
    private var shuttingDown = false

    package init(peer: Peer, limits: ServerLimits, offersTLS: Bool) {
        self.peer = peer
        self.limits = limits
        self.offersTLS = offersTLS
    }

    // MARK: What happens

    /// The first thing said: the greeting, or `refusal` and the end.
    package mutating func greet(refusal: Reply? = nil) {
        guard case .silent = state else { return }
        if let refusal {
            goodbye(refusal)
        } else {
            output.writeString("220 \(peer.localName) ESMTP Sluice\r\n")
            state = .command
        }
    }

    package mutating func receive(_ bytes: ByteBuffer) {
        if case .closed = state { return }
        if input.readableBytes == 0 {
            input = bytes
        } else {
            input.writeImmutableBuffer(bytes)
        }
    }

    /// The answer to `.recipient`: nil accepts it.
    package mutating func answerRecipient(_ refusal: Reply?) {
        guard case .recipient(let recipient) = state else { return }
        state = .command
        if let refusal {
            refuse(refusal)
            return
        }
        // A recipient named twice gets one copy.
        if envelope?.recipients.contains(where: { $0.address == recipient.address }) == false {
            envelope?.recipients.append(recipient)
        }
        output.writeStaticString("250 2.1.5 OK\r\n")
    }

    /// The answer to `.begin`.
    package mutating func answerBegin(_ start: IntakeStart) {
        guard case .begin = state else { return }
        switch start {
        case .refuse(let reply):
            envelope = nil
            state = .command
            refuse(reply)
        case .accept(let buffer, let id):
            incoming = IncomingMessage(
                id: id, body: buffer, declaredSize: envelope?.declaredSize ?? 0, limits: limits)
            state = .data
            output.writeStaticString("354 End data with <CR><LF>.<CR><LF>\r\n")
        }
    }

    /// The answer to `.message`.
    package mutating func finish(_ reply: Reply) {
        guard case .verdict = state else { return }
        state = .command
        if reply.isPositive { commands = 0 }
        refuse(reply)
    }

    /// Ends the session as soon as the message that is on its way has its reply.
    package mutating func shutDown() {
        shuttingDown = true
        if case .silent = state { goodbye(Self.shutdownReply) }
    }

    package mutating func timedOut() {
        if timeout == nil { return }
        if let incoming { actions.append(.abandoned(incoming.id)) }
        incoming = nil
        goodbye(Reply(421, EnhancedCode(4, 4, 2), "\(peer.localName) Timeout, closing"))
    }

    /// The message that will not be completed because the client is gone, if there is one.
    package mutating func disconnected() -> MessageID? {
        defer { incoming = nil }
        state = .closed
        input = ByteBuffer()
        return incoming?.id
    }

    // MARK: What is to be done

    /// What is to be sent; empties it.
    package mutating func takeOutput() -> ByteBuffer? {
        guard output.readableBytes > 0 else { return nil }
        defer { output = ByteBuffer() }
        return output
    }

    /// Bytes that wait to be looked at.
    package var backlog: Int { input.readableBytes }

    /// The sender of the transaction; "" if it is null or there is none.
    package var sender: String { envelope?.sender ?? "" }

    /// How long the next byte may take; nil while it is our turn.
    package var timeout: Duration? {
        switch state {
        case .data: limits.dataTimeout
        case .verdict, .closed: nil
        default: limits.idleTimeout
        }
    }

    package mutating func next() -> Action {
        while actions.isEmpty {
            switch state {
            case .silent, .recipient, .begin, .verdict:
                return .wait
            case .closed:
                return .wait
            case .data:
                guard input.readableBytes > 0 else { return release() }
                readData()
            case .command:
                if shuttingDown {
                    goodbye(Self.shutdownReply)
                } else if input.readableBytes == 0 || !readCommand() {
                    return release()
                }
            }
        }
        return actions.removeFirst()
    }

    /// An empty buffer is given back, so that the channel may read into its memory again.
    private mutating func release() -> Action {
        if input.readableBytes == 0 { input = ByteBuffer() }
        return .wait
    }

    // MARK: Endings

    static let shutdownReply = Reply(421, EnhancedCode(4, 3, 2), "Shutting down, try again later")

    /// Sends a reply, counts it if it refuses something, and ends what has gone on too long.
    mutating func refuse(_ reply: Reply) {
        output.writeReply(reply)
        if reply.code == 421 {
            close(linger: true)
        } else if !reply.isPositive {
            errors += 1
            if errors >= limits.maxErrors {
                goodbye(Reply(421, EnhancedCode(4, 7, 0), "Too many errors, closing"))
            }
        }
    }

    mutating func goodbye(_ reply: Reply) {
        output.writeReply(reply)
        close(linger: true)
    }

    mutating func close(linger: Bool) {
        if case .closed = state { return }
        state = .closed
        // Whatever the client goes on to send is no command.
        input = ByteBuffer()
        actions.append(.close(linger: linger))
    }
}
