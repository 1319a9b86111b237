import Mail
import NIOCore
import SMTP

extension FuzzTarget {
    /// A server's side of a session. Every transaction ends once, with an outcome for every
    /// recipient; delivered is only what was sent whole and then answered 2xx; whatever the server
    /// says, we send whole commands that are ours.
    static let smtpClient = FuzzTarget("smtp-client", maximumLength: 4096) { bytes in
        var input = FuzzInput(bytes)
        let settings = input.byte()
        let seed = input.byte()
        var run = ClientRun(settings)
        for piece in pieces(input.rest, seed: seed) { try run.feed(piece) }
        try run.end(settings & 1 == 0 ? "Connection reset" : nil)
    }
}

private struct ClientRun {
    private var session: ClientSession
    private let settings: UInt8
    private var clock = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private var running: ClientTransaction?
    private var delivered = 0
    private var isClosed = false
    private var isSecure = false
    /// Written to the network, as far as the session has been told.
    private var wroteMessage = false
    private var messagePending = false
    private let tls: TLSMode

    init(_ settings: UInt8) {
        self.settings = settings
        tls = [.off, .opportunistic, .required, .off][Int(settings >> 1 & 3)]
        session = ClientSession(
            helo: "mta.example.net", tls: tls, timeouts: ClientTimeouts(), at: clock)
        session.tracing = settings & 8 != 0
        session.connected(at: clock)
    }

    private var transaction: ClientTransaction {
        let body =
            delivered % 2 == 0 ? ".dot\r\nSubject: x\r\n\r\n..\r\n" : "Subject: \u{E9}\r\n\r\nx\r\n"
        return ClientTransaction(
            sender: delivered == 1 ? "" : "sender@example.com",
            recipients: (0...Int(settings >> 4 & 3)).map {
                ClientRecipient(
                    address: "r\($0)@example.org", notify: $0 == 0 ? "NEVER" : "",
                    originalRecipient: $0 == 1 ? "rfc822;r" : "")
            },
            body: ByteBuffer(string: body), hasLeadingDots: delivered % 2 == 0,
            eightBit: delivered % 2 == 1, utf8: settings & 64 != 0, ret: "HDRS",
            envelopeID: "id")
    }

    mutating func feed(_ piece: ArraySlice<UInt8>) throws {
        if isClosed { return }
        clock = clock + .milliseconds(7)
        session.receive(ByteBuffer(bytes: piece))
        try run(piece.count)
        // The last byte of the message has left by the next read at the latest.
        if messagePending { written() }
    }

    mutating func end(_ loss: String?) throws {
        if !isClosed {
            if let loss {
                session.lost(loss, at: clock)
            } else {
                session.timedOut(at: clock)
            }
            try run(0)
        }
        try demand(session.isClosed, "The session goes on without a connection")
        try demand(running == nil, "A transaction without an end")
    }

    private mutating func written() {
        messagePending = false
        wroteMessage = true
        session.messageWritten()
    }

    private mutating func run(_ count: Int) throws {
        for _ in 0...(4 * count + 64) {
            switch session.next(at: clock) {
            case .wait:
                try send()
                _ = session.takeTrace()
                _ = session.phase
                return
            case .ready:
                try demand(running == nil, "Ready in a transaction")
                try demand(tls != .required || isSecure, "Ready without the TLS that is required")
                deliver()
            case .startTLS:
                try demand(tls != .off && !isSecure, "TLS that nobody wants")
                isSecure = true
                try send()
                session.secured()
            case .finished(let result):
                try finished(result)
            case .close:
                try demand(!isClosed, "Closed twice")
                isClosed = true
                try send()
            }
        }
        throw Violation(description: "The session never waits")
    }

    private mutating func deliver() {
        let next = transaction
        running = next
        wroteMessage = false
        messagePending = false
        session.deliver(next, at: clock)
    }

    private mutating func finished(_ result: TransactionResult) throws {
        guard let request = running else { throw Violation(description: "A second result") }
        running = nil
        delivered += 1
        try demandEqual(result.outcomes.count, request.recipients.count, "Outcomes")
        for outcome in result.outcomes {
            switch outcome {
            case .delivered(let reply):
                try demand(reply.isPositive && !reply.isLocal, "Delivered with \(reply)")
                try demand(wroteMessage && result.dotSent, "Delivered before it was sent")
            case .deferred(let reply, _):
                try demand(!reply.isPositive, "Deferred with \(reply)")
            case .failed(let reply, _):
                try demand(reply.isPermanent, "Failed with \(reply)")
            }
        }
        try demand(!result.dotSent || wroteMessage, "A final dot that was not written")
        try demand(!(result.reusable && session.isClosed), "A closed connection to be used again")
        if result.reusable, delivered < 4 { deliver() }
    }

    /// Takes the output and looks whether it is what a client may say.
    private mutating func send() throws {
        guard let output = session.takeOutput() else { return }
        let verbs: Set<String> = [
            "EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "DATA", "RSET", "QUIT", ".",
        ]
        let text = String(buffer: output.commands)
        try demand(text.isEmpty || text.hasSuffix("\r\n"), "Half a command: \(text)")
        for line in text.split(separator: "\r\n") {
            try demand(
                line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "A control character: \(line)")
            try demand(
                verbs.contains(String(line.prefix { $0 != " " })), "No command of ours: \(line)")
        }
        if output.message != nil {
            try demand(running != nil, "A message outside a transaction")
            messagePending = true
            if settings & 128 == 0 { written() }
        }
    }
}
