import Mail
import NIOCore

/// How commands and messages are read.
extension ServerSession {
    // MARK: Messages

    /// How many times the largest message is read only to refuse it at its end.
    private static let drainFactor = 4

    mutating func readData() {
        guard let complete = incoming?.read(&input), let message = incoming else { return }
        guard complete else {
            if message.scanner.size / Self.drainFactor >= limits.maxMessageSize {
                abandon()
                goodbye(Reply(552, EnhancedCode(5, 3, 4), "Message far too large, closing"))
            }
            return
        }
        state = .command
        if let fault = message.scanner.fault {
            abandon()
            refuse(reply(to: fault))
        } else if message.isLooping(maxHops: limits.maxHops) {
            abandon()
            refuse(Reply(554, EnhancedCode(5, 4, 6), "Too many hops, this mail is in a loop"))
        } else if let envelope {
            state = .verdict
            actions.append(
                .message(
                    ReceivedMessage(
                        id: message.id, envelope: envelope, body: message.body,
                        hasLeadingDots: message.scanner.hasLeadingDots, peer: peer)))
        }
        self.incoming = nil
        self.envelope = nil
    }

    private mutating func abandon() {
        if let incoming { actions.append(.abandoned(incoming.id)) }
        incoming = nil
    }

    private func reply(to fault: DataScanner.Fault) -> Reply {
        switch fault {
        case .bareLineFeed:
            Reply(554, EnhancedCode(5, 6, 0), "Bare <LF> in the message: lines end with <CR><LF>")
        case .bareCarriageReturn:
            Reply(554, EnhancedCode(5, 6, 0), "Bare <CR> in the message: lines end with <CR><LF>")
        case .lineTooLong:
            Reply(
                554, EnhancedCode(5, 6, 0),
                "A line of the message is longer than \(limits.textLineLimit) octets")
        case .tooLarge: tooLarge
        }
    }

    private var tooLarge: Reply {
        Reply(
            552, EnhancedCode(5, 3, 4),
            "The message is larger than \(limits.maxMessageSize) octets")
    }

    // MARK: Commands

    private enum Line {
        case command(Command, count: Int)
        case incomplete
        case badLineEnd
        case tooLong
    }

    /// Reads and answers one command; false if there is no whole one.
    mutating func readCommand() -> Bool {
        switch nextLine() {
        case .incomplete:
            return false
        case .badLineEnd:
            // Where this line ends is a matter of opinion, so nothing behind it is believed.
            goodbye(Reply(500, EnhancedCode(5, 5, 2), "Lines end with <CR><LF>, closing"))
        case .tooLong:
            goodbye(
                Reply(
                    500, EnhancedCode(5, 5, 2),
                    "Command longer than \(limits.maxLineLength) octets, closing"))
        case .command(let command, let count):
            input.moveReaderIndex(forwardBy: count)
            execute(command)
        }
        return true
    }

    private func nextLine() -> Line {
        let utf8 = envelope?.utf8 ?? false
        return input.withUnsafeReadableBytes { bytes in
            let window = min(bytes.count, limits.maxLineLength)
            guard let end = bytes.firstIndex(of: lf, in: 0..<window) else {
                if let bare = bytes.firstIndex(of: cr, in: 0..<window), bare < window - 1 {
                    return .badLineEnd
                }
                return window == limits.maxLineLength ? .tooLong : .incomplete
            }
            guard end > 0, bytes.firstIndex(of: cr, in: 0..<end) == end - 1 else {
                return .badLineEnd
            }
            let line = UnsafeRawBufferPointer(rebasing: bytes[..<(end - 1)])
            return .command(Command.parse(line, utf8: utf8), count: end + 1)
        }
    }

    private mutating func execute(_ command: Command) {
        if case .rcpt = command {
        } else {
            commands += 1
            if commands > limits.maxCommands {
                goodbye(Reply(421, EnhancedCode(4, 7, 0), "Too many commands, closing"))
                return
            }
        }
        switch command {
        case .ehlo(let name): hello(name, extended: true)
        case .helo(let name): hello(name, extended: false)
        case .mail(let envelope): mail(envelope)
        case .rcpt(let recipient): rcpt(recipient)
        case .data: data()
        case .rset:
            envelope = nil
            output.writeStaticString("250 2.0.0 OK\r\n")
        case .noop: output.writeStaticString("250 2.0.0 OK\r\n")
        case .vrfy:
            // RFC 5321 §3.5.3: neither confirms nor denies.
            output.writeStaticString("252 2.5.2 Send some mail, I will try my best\r\n")
        case .help:
            output.writeStaticString("214 2.0.0 See RFC 5321\r\n")
        case .quit:
            output.writeStaticString("221 2.0.0 Bye\r\n")
            close(linger: input.readableBytes > 0)
        case .startTLS: startTLS()
        case .malformed(let reply): refuse(reply)
        }
    }

    private mutating func hello(_ name: String, extended: Bool) {
        envelope = nil
        self.extended = extended
        peer.helo = name
        peer.protocolName = extended ? secure ? "ESMTPS" : "ESMTP" : "SMTP"
        guard extended else {
            output.writeString("250 \(peer.localName)\r\n")
            return
        }
        output.writeString("250-\(peer.localName)\r\n")
        output.writeStaticString("250-PIPELINING\r\n")
        output.writeString("250-SIZE \(limits.maxMessageSize)\r\n")
        if offersTLS, !secure { output.writeStaticString("250-STARTTLS\r\n") }
        output.writeStaticString(
            "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 DSN\r\n")
    }

    private mutating func mail(_ envelope: Envelope) {
        if peer.helo.isEmpty {
            refuse(Reply(503, EnhancedCode(5, 5, 1), "Say EHLO first"))
        } else if self.envelope != nil {
            refuse(Reply(503, EnhancedCode(5, 5, 1), "A transaction is open, RSET ends it"))
        } else if envelope.declaredSize > limits.maxMessageSize {
            refuse(tooLarge)
        } else {
            self.envelope = envelope
            output.writeStaticString("250 2.1.0 OK\r\n")
        }
    }

    private mutating func rcpt(_ recipient: EnvelopeRecipient) {
        guard let envelope else {
            refuse(Reply(503, EnhancedCode(5, 5, 1), "MAIL comes first"))
            return
        }
        guard envelope.recipients.count < limits.maxRecipients else {
            refuse(Reply(452, EnhancedCode(4, 5, 3), "Too many recipients"))
            return
        }
        state = .recipient(recipient)
        actions.append(.recipient(recipient.address))
    }

    private mutating func data() {
        guard let envelope else {
            refuse(Reply(503, EnhancedCode(5, 5, 1), "MAIL and RCPT come first"))
            return
        }
        guard !envelope.recipients.isEmpty else {
            refuse(Reply(554, EnhancedCode(5, 5, 1), "No valid recipients"))
            return
        }
        if extended {
            peer.protocolName = (envelope.utf8 ? "UTF8SMTP" : "ESMTP") + (secure ? "S" : "")
        }
        state = .begin
        actions.append(.begin(envelope))
    }

    private mutating func startTLS() {
        guard offersTLS, !secure else {
            refuse(Reply(503, EnhancedCode(5, 5, 1), "STARTTLS is not available"))
            return
        }
        guard input.readableBytes == 0 else {
            // What came in clear behind STARTTLS must not count as said under TLS (RFC 3207 §4.2,
            // CVE-2011-0411).
            goodbye(Reply(503, EnhancedCode(5, 5, 1), "Commands behind STARTTLS, closing"))
            return
        }
        output.writeStaticString("220 2.0.0 Ready to start TLS\r\n")
        // Everything that was said in clear is forgotten (RFC 3207 §4.2).
        secure = true
        envelope = nil
        peer.helo = ""
        peer.protocolName = "SMTP"
        actions.append(.startTLS)
    }
}
