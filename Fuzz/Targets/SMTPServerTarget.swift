import Mail
import NIOCore
import SMTP

extension FuzzTarget {
    /// A client's side of a session. How it is cut into reads changes nothing; every command has
    /// one reply, and every reply is one; what is accepted as one message is one for the next
    /// server too, also for one that takes other things for the end of a line.
    static let smtpServer = FuzzTarget("smtp-server", maximumLength: 4096) { bytes in
        var input = FuzzInput(bytes)
        let settings = input.byte()
        let seed = input.byte()
        let whole = try ServerRun(settings, pieces(input.rest, seed: 255))
        let cut = try ServerRun(settings, pieces(input.rest, seed: seed))
        // Where TLS begins, and when a message is far too large to wait for its end, depends on
        // what has come so far.
        if !whole.startedTLS, !cut.startedTLS, !whole.gaveUp, !cut.gaveUp {
            // Of several faults of a message, which is told may depend on it too.
            try demandEqual(
                whole.replies.map(\.klass), cut.replies.map(\.klass),
                "The replies depend on how the input is cut")
            try demandEqual(whole.bodies, cut.bodies, "The messages depend on how it is cut")
        }
        try countReplies(settings, input.rest)
    }

    /// Line by line: one reply to each command, one to each message.
    private static func countReplies(_ settings: UInt8, _ bytes: [UInt8]) throws {
        var run = try ServerRun(settings)
        var lines: [ArraySlice<UInt8>] = []
        var start = 0
        for index in bytes.indices.dropLast() where bytes[index] == 13 && bytes[index + 1] == 10 {
            lines.append(bytes[start..<(index + 2)])
            start = index + 2
        }
        var inData = false
        for line in lines where !run.isClosed {
            let before = run.replies.count
            try run.feed(line)
            let new = run.replies[before...]
            let goodbye = run.isClosed && new.last?.code == 421 ? 1 : 0
            if inData {
                try demand(new.count <= 1 + goodbye, "A message has \(new.count) replies")
                if !new.isEmpty { inData = false }
            } else {
                try demand(
                    new.count == 1 || new.count == 1 + goodbye,
                    "A command has \(new.count) replies: \(String(decoding: line, as: UTF8.self))")
                inData = new.first?.code == 354
            }
        }
    }
}

/// A session with an intake that decides by what it sees.
private struct ServerRun {
    private let forwards: Bool
    private var session: ServerSession
    private var parser = ReplyParser()
    private var open: MessageID?
    private var lastID: Int64 = 0
    private(set) var replies: [Reply] = []
    private(set) var bodies: [[UInt8]] = []
    private(set) var startedTLS = false
    private(set) var isClosed = false
    var gaveUp: Bool { replies.contains { $0.text.contains("far too large") } }

    /// - Parameter forwards: look how the next server takes what is accepted.
    init(_ settings: UInt8, forwards: Bool = true) throws {
        self.forwards = forwards
        let limits = ServerLimits(
            maxMessageSize: settings & 1 == 0 ? 10_000 : 60, maxRecipients: 3, maxLineLength: 128,
            maxTextLineLength: settings & 2 == 0 ? 2000 : 40, strictLineLength: settings & 4 != 0,
            maxCommands: 50, maxErrors: settings & 8 == 0 ? 20 : 3, maxHops: 4)
        session = ServerSession(
            peer: Peer(address: "192.0.2.1", port: 1025, localName: "mx.example.net"),
            limits: limits, offersTLS: settings & 16 != 0)
        session.greet()
        drainOutput()
        try takeReplies()
    }

    init(_ settings: UInt8, _ pieces: [ArraySlice<UInt8>], forwards: Bool = true) throws {
        try self.init(settings, forwards: forwards)
        for piece in pieces { try feed(piece) }
        if let id = session.disconnected() {
            try demand(id == open, "A message was abandoned that is not open")
        } else {
            try demand(open == nil, "A message was neither completed nor abandoned")
        }
    }

    mutating func feed(_ piece: ArraySlice<UInt8>) throws {
        session.receive(ByteBuffer(bytes: piece))
        // Each round reads a command or answers one: more of them than bytes are a loop.
        for _ in 0...(8 * piece.count + 64) {
            switch session.next() {
            case .wait:
                drainOutput()
                try takeReplies()
                return
            case .recipient(let address):
                try demand(!isClosed, "An action behind the end")
                try demandSound(address)
                session.answerRecipient(
                    address.localPart == "no" ? Reply(550, EnhancedCode(5, 1, 1), "No") : nil)
            case .begin(let envelope):
                try demand(!isClosed && open == nil, "A message begins inside another")
                try demand(
                    (1...3).contains(envelope.recipients.count),
                    "\(envelope.recipients.count) recipients")
                if envelope.sender.hasPrefix("busy@") {
                    session.answerBegin(.refuse(Reply(451, EnhancedCode(4, 3, 0), "Busy")))
                } else {
                    lastID += 1
                    let id = MessageID(rawValue: lastID)
                    open = id
                    session.answerBegin(.accept(buffer: ByteBuffer(), id: id))
                }
            case .message(let message):
                try demand(message.id == open, "A message that did not begin")
                open = nil
                if forwards { try demandWhole(message) }
                bodies.append(Array(message.body.readableBytesView))
                session.finish(Reply(250, EnhancedCode(2, 0, 0), "Queued"))
            case .abandoned(let id):
                try demand(id == open, "A message is abandoned that did not begin")
                open = nil
            case .startTLS:
                startedTLS = true
            case .close:
                try demand(!isClosed, "Closed twice")
                isClosed = true
            }
        }
        throw Violation(description: "The session never waits")
    }

    private mutating func drainOutput() {
        guard let output = session.takeOutput() else { return }
        parser.receive(output)
    }

    /// Our own client has to understand all that is said.
    private mutating func takeReplies() throws {
        do {
            while let reply = try parser.next() { replies.append(reply) }
        } catch {
            throw Violation(description: "No SMTP reply was sent: \(error.text)")
        }
        try demand(parser.isEmpty, "Half a reply was sent")
    }

    private func demandSound(_ address: EmailAddress) throws {
        let again = try? EmailAddress(
            parsing: address.text, allowUTF8: true, allowBarePostmaster: true)
        try demand(again == address, "\(address) is no address when it is read again")
    }
}

/// What goes on as one message cannot be two for anybody.
private func demandWhole(_ message: ReceivedMessage) throws {
    let body = Array(message.body.readableBytesView)
    for index in body.indices {
        if body[index] == 13 {
            try demand(index + 1 < body.count && body[index + 1] == 10, "A bare CR was accepted")
        }
        if body[index] == 10 {
            try demand(index > 0 && body[index - 1] == 13, "A bare LF was accepted")
        }
    }
    try demand(body.isEmpty || body.suffix(2) == [13, 10], "The last line does not end")
    let dotted =
        body.first == 46
        || body.indices.dropFirst().contains { body[$0 - 1] == 10 && body[$0] == 46 }
    try demandEqual(message.hasLeadingDots, dotted, "hasLeadingDots")

    let sent = message.hasLeadingDots ? DotStuffing.apply(to: message.body) : message.body
    let text = Array("EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@c.example>\r\nDATA\r\n".utf8)
    let session = text + sent.readableBytesView + Array(".\r\nQUIT\r\n".utf8)
    let run = try ServerRun(0, [session[...]], forwards: false)
    // The second server has limits of its own.
    guard run.replies.dropFirst(5).first?.isPositive == true else { return }
    try demandEqual(run.bodies, [body], "Sent on, it is another message")
}
