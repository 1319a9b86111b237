import Faults
import Mail
import NIOCore

/// One transaction of a client session: writes its commands and makes outcomes of the replies.
struct RunningTransaction {
    /// The command whose reply is awaited.
    enum Step: Hashable {
        case reset
        case mail
        case rcpt(Int)
        case data
        /// The message, being sent or sent.
        case message
        /// The "." that ends a message nobody gets: all recipients were refused, but DATA had
        /// been sent along and was answered with 354 (RFC 2920 §3.1).
        case emptyMessage
    }

    private let request: ClientTransaction
    private let capabilities: Capabilities
    private let started: NIODeadline
    private var dataStarted: NIODeadline?
    private(set) var step: Step
    /// nil: accepted by RCPT, or not yet answered.
    private var outcomes: [RecipientOutcome?]
    private var accepted = 0
    private var senderAccepted = false
    private var answered = false
    private var closing = false
    /// Why nobody knows any more what the server waits for.
    private(set) var failure: String?
    private(set) var dotSent = false
    /// The server still has a sender or recipients of ours: RSET before the next one.
    private(set) var needsReset = false

    init(
        _ request: ClientTransaction, capabilities: Capabilities, reset: Bool, at now: NIODeadline
    ) {
        self.request = request
        self.capabilities = capabilities
        started = now
        step = reset ? .reset : .mail
        outcomes = Array(repeating: nil, count: request.recipients.count)
    }

    var stage: Stage {
        switch step {
        case .reset, .mail: .mail
        case .rcpt: .rcpt
        case .data, .emptyMessage: .data
        case .message: dotSent ? .dot : .data
        }
    }

    // MARK: Commands

    /// With PIPELINING everything up to DATA goes out at once (RFC 2920); otherwise the first
    /// command.
    func begin(_ output: inout ClientOutput) {
        if step == .reset { output.write("RSET") }
        if capabilities.pipelining {
            writeMail(&output)
            for index in request.recipients.indices { writeRecipient(index, &output) }
            output.write("DATA")
        } else if step == .mail {
            writeMail(&output)
        }
    }

    private func writeMail(_ output: inout ClientOutput) {
        output.line { buffer in
            buffer.writeStaticString("MAIL FROM:<")
            buffer.writeString(request.sender)
            buffer.writeStaticString(">")
            if capabilities.size, request.size > 0 {
                buffer.writeStaticString(" SIZE=")
                buffer.writeString(String(request.size))
            }
            if capabilities.eightBit, request.eightBit {
                buffer.writeStaticString(" BODY=8BITMIME")
            }
            if capabilities.utf8, request.utf8 || request.hasUTF8Address {
                buffer.writeStaticString(" SMTPUTF8")
            }
            guard capabilities.dsn else { return }
            if !request.ret.isEmpty {
                buffer.writeStaticString(" RET=")
                buffer.writeString(request.ret)
            }
            if !request.envelopeID.isEmpty {
                buffer.writeStaticString(" ENVID=")
                buffer.writeString(request.envelopeID)
            }
        }
    }

    private func writeRecipient(_ index: Int, _ output: inout ClientOutput) {
        let recipient = request.recipients[index]
        output.line { buffer in
            buffer.writeStaticString("RCPT TO:<")
            buffer.writeString(recipient.address)
            buffer.writeStaticString(">")
            guard capabilities.dsn else { return }
            if !recipient.notify.isEmpty {
                buffer.writeStaticString(" NOTIFY=")
                buffer.writeString(recipient.notify)
            }
            if !recipient.originalRecipient.isEmpty {
                buffer.writeStaticString(" ORCPT=")
                buffer.writeString(recipient.originalRecipient)
            }
        }
    }

    // MARK: Replies

    /// Takes the reply to the current step and writes what comes next.
    ///
    /// - Returns: whether the transaction is over.
    mutating func receive(
        _ reply: Reply, at now: NIODeadline, _ output: inout ClientOutput
    ) -> Bool {
        answered = true
        if reply.code == 421 {
            closing = true
            settle(.deferred(reply, stage))
            return true
        }
        switch step {
        case .reset:
            guard reply.isPositive else { return fail("RSET was refused", reply) }
            step = .mail
            if !capabilities.pipelining { writeMail(&output) }
            return false
        case .mail:
            return mailReplied(reply, &output)
        case .rcpt(let index):
            return recipientReplied(index, reply, &output)
        case .data:
            return dataReplied(reply, at: now, &output)
        case .emptyMessage:
            needsReset = false
            return true
        case .message:
            return messageReplied(reply)
        }
    }

    /// The last byte of the message has gone to the network.
    mutating func messageWritten() {
        guard step == .message else { return }
        dotSent = true
        FaultPoint.dotSent.reached()
    }

    /// The connection is gone: `reason` is what becomes of the recipients without an outcome.
    mutating func lost(_ reason: Reply) {
        failure = reason.lines.first ?? ""
        settle(.deferred(reason, stage))
    }

    func result(connect: Int, intact: Bool, at now: NIODeadline) -> TransactionResult {
        TransactionResult(
            outcomes: outcomes.map { outcome in
                outcome ?? .deferred(.local(EnhancedCode(4, 3, 0), "No answer"), stage)
            },
            reusable: intact && !closing && failure == nil, dotSent: dotSent,
            offersDSN: capabilities.dsn,
            timings: TransactionTimings(
                connect: connect, mail: milliseconds(from: started, to: dataStarted ?? now),
                data: dataStarted.map { milliseconds(from: $0, to: now) } ?? 0),
            closing: closing, unanswered: !answered)
    }

    private mutating func mailReplied(_ reply: Reply, _ output: inout ClientOutput) -> Bool {
        if reply.isPositive {
            senderAccepted = true
            needsReset = true
        } else {
            guard let refusal = outcome(of: reply) else {
                return fail("Unexpected reply to MAIL", reply)
            }
            settle(refusal)
            // What was sent along is answered all the same.
            if !capabilities.pipelining { return true }
        }
        step = .rcpt(0)
        if !capabilities.pipelining { writeRecipient(0, &output) }
        return false
    }

    private mutating func recipientReplied(
        _ index: Int, _ reply: Reply, _ output: inout ClientOutput
    ) -> Bool {
        if senderAccepted {
            if reply.isPositive {
                accepted += 1
            } else if isTooManyRecipients(reply) {
                outcomes[index] = .deferred(reply, .rcpt)
            } else {
                guard let refusal = outcome(of: reply) else {
                    return fail("Unexpected reply to RCPT", reply)
                }
                outcomes[index] = refusal
            }
        }
        if index + 1 < outcomes.count {
            step = .rcpt(index + 1)
            if !capabilities.pipelining { writeRecipient(index + 1, &output) }
            return false
        }
        step = .data
        if capabilities.pipelining { return false }
        if accepted == 0 { return true }
        output.write("DATA")
        return false
    }

    /// 552 instead of 452 for a recipient too many (RFC 5321 §4.5.3.1.10): told from a full mailbox
    /// by its enhanced code, or, without one, by having recipients before it.
    private func isTooManyRecipients(_ reply: Reply) -> Bool {
        guard reply.code == 552 else { return false }
        guard let enhanced = reply.enhanced else { return accepted > 0 }
        return enhanced.subject == 5 && enhanced.detail == 3
    }

    private mutating func dataReplied(
        _ reply: Reply, at now: NIODeadline, _ output: inout ClientOutput
    ) -> Bool {
        if reply.code == 354 {
            if accepted > 0 {
                FaultPoint.dataAccepted.reached()
                dataStarted = now
                step = .message
                output.message = request.body
                output.needsStuffing = request.hasLeadingDots
            } else {
                step = .emptyMessage
                output.write(".")
            }
            return false
        }
        if accepted == 0, !reply.isPositive { return true }
        guard let refusal = outcome(of: reply) else {
            return fail("Unexpected reply to DATA", reply)
        }
        settle(refusal)
        return true
    }

    private mutating func messageReplied(_ reply: Reply) -> Bool {
        needsReset = false
        if reply.isPositive {
            // Nobody can have taken a message that is not yet there.
            guard dotSent else { return fail("A reply before the end of the message", reply) }
            settle(.delivered(reply))
            return true
        }
        guard let refusal = outcome(of: reply) else {
            return fail("Unexpected reply to the message", reply)
        }
        settle(refusal)
        // Refused half-way: the rest of the message must not be read as commands.
        if !dotSent { failure = "Refused before its end: \(reply.text)" }
        return true
    }

    /// nil for what is no refusal.
    private func outcome(of reply: Reply) -> RecipientOutcome? {
        switch reply.klass {
        case 4: .deferred(reply, stage)
        case 5: .failed(reply, stage)
        default: nil
        }
    }

    private mutating func settle(_ outcome: RecipientOutcome) {
        for index in outcomes.indices where outcomes[index] == nil { outcomes[index] = outcome }
    }

    /// The server is out of step; always returns true: it is over.
    private mutating func fail(_ text: String, _ reply: Reply) -> Bool {
        lost(.local(EnhancedCode(4, 5, 0), "\(text): \(reply.text)"))
        return true
    }
}

func milliseconds(from start: NIODeadline, to end: NIODeadline) -> Int {
    Int((end - start).nanoseconds / 1_000_000)
}
