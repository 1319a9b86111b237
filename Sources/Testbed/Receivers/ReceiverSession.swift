import NIOCore

/// The server's side of one SMTP connection, with every misbehaviour under control: commands in,
/// actions out, no I/O. Only as much of ESMTP as a sending server uses; a manner may make it lie,
/// wait or vanish at any stage.
struct ReceiverSession {
    enum Action: Equatable {
        case reply(ScriptedReply)
        /// Do nothing more on this connection, reading included, until this time has passed.
        case wait(Duration)
        /// What follows is a message, up to the final dot; tear the connection after so many bytes.
        case collect(tearAfter: Int?)
        /// Hand the connection to TLS; what is buffered already is dropped (RFC 3207 §5).
        case startTLS
        /// Close once everything said is written.
        case close
        /// Vanish, without a word.
        case tear
    }

    private let hostname: String
    private let offersTLS: Bool
    private var admitted = false
    private var encrypted = false
    private var greeted = false
    private var sender: String?
    private var recipients: [String] = []

    init(hostname: String, offersTLS: Bool) {
        self.hostname = hostname
        self.offersTLS = offersTLS
    }

    mutating func connected(_ state: inout ReceiverState) -> [Action] {
        let delay = state.manner.delays.greeting
        admitted = state.connected()
        guard admitted else {
            let reply = ScriptedReply(421, "4.7.0", "Too many connections from your host")
            return say(reply, after: .zero, &state) + [.close]
        }
        if state.isBroken() {
            guard state.manner.brokenness == .busy else { return [.tear] }
            let reply = ScriptedReply(421, "4.3.2", "Service not available, try again later")
            return say(reply, after: delay, &state) + [.close]
        }
        return say(ScriptedReply(220, nil, "\(hostname) ESMTP"), after: delay, &state)
    }

    mutating func disconnected(_ state: inout ReceiverState) {
        reset(&state)
        if admitted { state.disconnected() }
    }

    /// One command, without its line end.
    mutating func command(
        _ line: String, _ state: inout ReceiverState, now: NIODeadline
    ) -> [Action] {
        let verb = line.prefix { $0 != " " }.uppercased()
        let argument = line.dropFirst(verb.count + 1)
        let delay = state.manner.delays.command
        switch verb {
        case "EHLO", "HELO":
            greeted = true
            reset(&state)
            let extensions = verb == "EHLO" ? self.extensions(state.manner) : []
            return say(
                ScriptedReply(250, nil, lines: [hostname] + extensions), after: delay, &state)
        case "STARTTLS" where offersTLS && !encrypted:
            return say(ScriptedReply(220, "2.0.0", "Go ahead"), after: delay, &state) + [.startTLS]
        case "MAIL":
            return mail(argument, &state, now: now)
        case "RCPT":
            return recipient(argument, &state, now: now)
        case "DATA":
            return data(&state)
        case "RSET":
            reset(&state)
            return say(ScriptedReply(250, "2.0.0", "OK"), after: delay, &state)
        case "NOOP":
            return say(ScriptedReply(250, "2.0.0", "OK"), after: delay, &state)
        case "QUIT":
            return say(ScriptedReply(221, "2.0.0", "Bye"), after: .zero, &state) + [.close]
        default:
            return say(ScriptedReply(502, "5.5.2", "Command not recognized"), after: delay, &state)
        }
    }

    /// The message that `collect` asked for, dots unstuffed.
    mutating func message(
        _ content: ByteBuffer, _ state: inout ReceiverState, now: NIODeadline
    ) -> [Action] {
        defer { reset(&state) }
        let manner = state.manner
        let delay = manner.delays.endOfData
        if content.readableBytes > manner.maxSize {
            return say(ScriptedReply(552, "5.3.4", "Message too big"), after: delay, &state)
        }
        guard state.allows(at: .endOfData, now: now) else { return overQuota(&state, after: delay) }
        let torn = state.chance(manner.drops.beforeReply)
        state.took(
            CapturedMessage(
                sender: sender ?? "", recipients: recipients, content: content,
                encrypted: encrypted),
            acknowledged: !torn, now: now)
        if torn {
            state.dropped()
            return [.tear]
        }
        return say(ScriptedReply(250, "2.0.0", "OK, taken"), after: delay, &state)
    }

    /// From here on the connection is TLS: the client starts over (RFC 3207 §4.2).
    mutating func secured(_ state: inout ReceiverState) {
        encrypted = true
        greeted = false
        reset(&state)
    }

    private func extensions(_ manner: ReceiverManner) -> [String] {
        let tls = offersTLS && !encrypted ? ["STARTTLS"] : []
        return ["PIPELINING", "SIZE \(manner.maxSize)", "8BITMIME", "SMTPUTF8"] + tls
            + ["ENHANCEDSTATUSCODES"]
    }

    private mutating func mail(
        _ argument: Substring, _ state: inout ReceiverState, now: NIODeadline
    ) -> [Action] {
        let delay = state.manner.delays.command
        guard greeted, sender == nil, let (address, parameters) = path(argument, after: "FROM:")
        else { return say(ScriptedReply(503, "5.5.1", "Bad sequence"), after: delay, &state) }
        state.transactionBegan(now: now)
        guard state.allows(at: .mail, now: now) else {
            state.transactionEnded()
            return overQuota(&state, after: delay)
        }
        let size = parameters.lazy.compactMap { $0.hasPrefix("SIZE=") ? Int($0.dropFirst(5)) : nil }
        if let size = size.first, size > state.manner.maxSize {
            state.transactionEnded()
            return say(ScriptedReply(552, "5.3.4", "Message too big"), after: delay, &state)
        }
        sender = address
        return say(ScriptedReply(250, "2.1.0", "OK"), after: delay, &state)
    }

    private mutating func recipient(
        _ argument: Substring, _ state: inout ReceiverState, now: NIODeadline
    ) -> [Action] {
        let manner = state.manner
        let delay = manner.delays.recipient
        guard let sender, let (address, _) = path(argument, after: "TO:"), !address.isEmpty
        else { return say(ScriptedReply(503, "5.5.1", "Bad sequence"), after: delay, &state) }
        if state.chance(manner.drops.afterRecipient) {
            state.dropped()
            return [.tear]
        }
        let reply: ScriptedReply
        if recipients.count >= manner.maxRecipients {
            reply = ScriptedReply(452, "4.5.3", "Too many recipients")
        } else if !state.exists(address) {
            reply = ScriptedReply(
                550, "5.1.1", "<\(address)>: Recipient address rejected: User unknown")
        } else if state.isFull(address) {
            reply = ScriptedReply(452, "4.2.2", "<\(address)>: Mailbox full")
        } else if state.greylists(sender: sender, recipient: address, now: now) {
            reply = ScriptedReply(
                450, "4.2.0", "<\(address)>: Recipient address rejected: Greylisted")
        } else {
            recipients.append(address)
            reply = ScriptedReply(250, "2.1.5", "OK")
        }
        return say(reply, after: delay, &state)
    }

    private mutating func data(_ state: inout ReceiverState) -> [Action] {
        let delay = state.manner.delays.command
        guard sender != nil else {
            return say(ScriptedReply(503, "5.5.1", "Bad sequence"), after: delay, &state)
        }
        guard !recipients.isEmpty else {
            return say(ScriptedReply(554, "5.5.1", "No valid recipients"), after: delay, &state)
        }
        var tearAfter: Int?
        if state.chance(state.manner.drops.duringData) {
            tearAfter = state.random(in: 1...2048)
        }
        return say(ScriptedReply(354, nil, "End with <CRLF>.<CRLF>"), after: delay, &state)
            + [.collect(tearAfter: tearAfter)]
    }

    private func overQuota(_ state: inout ReceiverState, after delay: Duration) -> [Action] {
        guard let quota = state.manner.quota else { return [] }
        return say(quota.reply, after: delay, &state) + (quota.hangsUp ? [.close] : [])
    }

    private func say(
        _ reply: ScriptedReply, after delay: Duration, _ state: inout ReceiverState
    ) -> [Action] {
        state.said(reply)
        return delay > .zero ? [.wait(delay), .reply(reply)] : [.reply(reply)]
    }

    private mutating func reset(_ state: inout ReceiverState) {
        if sender != nil { state.transactionEnded() }
        sender = nil
        recipients = []
    }

    /// The address between "<" and ">" and the parameters behind it.
    private func path(_ argument: Substring, after keyword: String) -> (String, [Substring])? {
        guard argument.count > keyword.count,
            argument.prefix(keyword.count).uppercased() == keyword
        else { return nil }
        let rest = argument.dropFirst(keyword.count).drop { $0 == " " }
        guard rest.first == "<", let end = rest.lastIndex(of: ">") else { return nil }
        let address = rest[rest.index(after: rest.startIndex)..<end]
        return (String(address), rest[rest.index(after: end)...].split(separator: " "))
    }
}
