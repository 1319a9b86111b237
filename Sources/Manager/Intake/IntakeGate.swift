import Control
import Faults
import Mail
import NIOCore
import SMTP
import Scheduler
import Settings
import Spool

/// Who may connect, who may relay, and what becomes of a message that was taken in.
final class IntakeGate {
    private let dispatcher: Dispatcher
    private var connections = 0
    private var perClient: [String: Int] = [:]
    private var date: (second: Int64, text: String) = (0, "")

    /// Bodies that wait for the disk. Beyond it the intake answers 452: a disk that slow must
    /// slow down the clients, not fill the memory.
    static let largestBacklog = 256 << 20

    init(dispatcher: Dispatcher) {
        self.dispatcher = dispatcher
    }

    func admit(_ peer: Peer) -> Reply? {
        let settings = dispatcher.configuration.intake
        // The handler reports `closed` for refused peers too, so that they are counted first.
        connections += 1
        perClient[peer.address, default: 0] += 1
        if dispatcher.isStopping { return Reply(421, EnhancedCode(4, 3, 2), "shutting down") }
        if connections > settings.maxConnections {
            return Reply(421, EnhancedCode(4, 7, 0), "too many connections; try again later")
        }
        if let limit = settings.maxConnectionsPerClient, perClient[peer.address]! > limit {
            return Reply(
                421, EnhancedCode(4, 7, 0), "too many connections from \(peer.address)")
        }
        return nil
    }

    func closed(_ peer: Peer) {
        connections -= 1
        perClient[peer.address, default: 1] -= 1
        if perClient[peer.address] == 0 { perClient[peer.address] = nil }
    }

    func recipient(_ address: EmailAddress, sender: String, peer: Peer) -> Reply? {
        guard dispatcher.mayRelay(peer.address) else {
            return Reply(
                554, EnhancedCode(5, 7, 1), "<\(address.text)>: relay access denied")
        }
        guard !address.domain.isEmpty else {
            return Reply(
                550, EnhancedCode(5, 1, 2), "<\(address.text)>: this server has no mailboxes")
        }
        return nil
    }

    func begin(_ envelope: Envelope, peer: Peer) -> IntakeStart {
        if dispatcher.isStopping {
            return .refuse(Reply(421, EnhancedCode(4, 3, 2), "shutting down"))
        }
        guard dispatcher.spoolError == nil, dispatcher.hasRoom,
            dispatcher.writer.pendingBytes < Self.largestBacklog,
            let id = dispatcher.nextMessageID()
        else {
            return .refuse(
                Reply(452, EnhancedCode(4, 3, 1), "the spool cannot take mail now; try again later")
            )
        }
        let expected = envelope.declaredSize == 0 ? 8192 : min(envelope.declaredSize, 1 << 20)
        var buffer = ByteBufferAllocator().buffer(capacity: expected + 1024)
        ReceivedHeader.write(
            into: &buffer, peer: peer, hostname: dispatcher.configuration.hostname, id: id,
            date: dateNow(),
            singleRecipient: envelope.recipients.count == 1 ? envelope.recipients[0].address : nil)
        return .accept(buffer: buffer, id: id)
    }

    private func dateNow() -> String {
        let now = dispatcher.clocks.wall()
        let second = now.milliseconds / 1000
        if date.second != second { date = (second, DateHeader.format(now)) }
        return date.text
    }

    func message(
        _ message: ReceivedMessage, listener: Int?, reply: @escaping (Reply) -> Void
    ) {
        FaultPoint.received.reached()
        let envelope = message.envelope
        let submission = Submission(
            id: message.id, sender: envelope.sender,
            recipients: envelope.recipients.map {
                StoredRecipient(
                    address: $0.address.text, notify: $0.notify,
                    originalRecipient: $0.originalRecipient)
            },
            eightBit: envelope.eightBit, utf8: envelope.utf8,
            leadingDots: message.hasLeadingDots, ret: envelope.ret,
            envelopeID: envelope.envelopeID,
            client: "\(message.peer.helo) [\(message.peer.address)]",
            priority: dispatcher.priority(of: message.body, listener: listener), body: message.body)
        dispatcher.accept(submission) { error in
            if error == nil {
                reply(Reply(250, EnhancedCode(2, 0, 0), "Ok: queued as \(message.id)"))
                FaultPoint.answered.reached()
            } else {
                reply(
                    Reply(452, EnhancedCode(4, 3, 1), "the spool cannot record; try again later"))
            }
        }
    }

}

extension Dispatcher {
    /// "Nobody else may relay": only clients in `[intake] allow`.
    func mayRelay(_ address: String) -> Bool {
        // Asked for each recipient, mostly of the same few clients.
        if let known = relays[address] { return known }
        guard let parsed = IPAddress(text: address) else { return false }
        let isAllowed = configuration.intake.allow.contains { $0.contains(parsed) }
        if relays.count >= Self.knownRelays { relays = [:] }
        relays[address] = isAllowed
        return isAllowed
    }

    private static let knownRelays = 1000

    /// A message from the control socket.
    func acceptLocal(
        sender: String, recipients: [String], body: ByteBuffer, by: String,
        _ promise: EventLoopPromise<MessageID>
    ) {
        do throws(APIError) {
            guard !isStopping else {
                throw APIError(code: "stopping", message: "the daemon is shutting down")
            }
            guard spoolError == nil, hasRoom, let id = nextMessageID() else {
                throw APIError(
                    code: "spool", message: "the spool cannot take mail now; try again later")
            }
            let submission = try submission(
                id: id, sender: sender, recipients: recipients, body: body, by: by)
            accept(submission) { error in
                if let error {
                    promise.fail(
                        APIError(code: "spool", message: "the spool cannot record: \(error)"))
                } else {
                    promise.succeed(id)
                }
            }
        } catch {
            promise.fail(error)
        }
    }

    private func submission(
        id: MessageID, sender: String, recipients: [String], body: ByteBuffer, by: String
    ) throws(APIError) -> Submission {
        guard !recipients.isEmpty, recipients.count <= configuration.intake.maxRecipients else {
            throw APIError(
                code: "bad-request",
                message: "a message needs 1 to \(configuration.intake.maxRecipients) recipients")
        }
        var from = ""
        if !sender.isEmpty { from = try Self.address(sender).text }
        var stored: [StoredRecipient] = []
        var utf8 = !from.utf8.allSatisfy { $0 < 0x80 }
        for text in recipients {
            let address = try Self.address(text)
            guard !address.domain.isEmpty else {
                throw APIError(
                    code: "bad-address", message: "<\(SafeText(text).text)> has no domain")
            }
            utf8 = utf8 || !address.text.utf8.allSatisfy { $0 < 0x80 }
            if !stored.contains(where: { $0.address == address.text }) {
                stored.append(StoredRecipient(address: address.text))
            }
        }
        guard body.readableBytes > 0 else {
            throw APIError(code: "bad-request", message: "the message is empty")
        }
        guard body.hasOnlyCRLF else {
            throw APIError(
                code: "bad-request", message: "the message has line ends other than CRLF")
        }
        var whole = ByteBufferAllocator().buffer(capacity: body.readableBytes + 256)
        whole.writeString(
            "Received: by \(configuration.hostname) (Sluice, from \(SafeText(by).text)) id \(id);\r\n"
                + "\t\(DateHeader.format(clocks.wall()))\r\n")
        whole.writeImmutableBuffer(body)
        if !body.endsWithCRLF { whole.writeString("\r\n") }
        return Submission(
            id: id, sender: from, recipients: stored,
            eightBit: !body.readableBytesView.allSatisfy { $0 < 0x80 }, utf8: utf8,
            leadingDots: true, ret: "", envelopeID: "", client: "local: \(by)",
            priority: priority(of: body, listener: nil), body: whole)
    }

    private static func address(_ text: String) throws(APIError) -> EmailAddress {
        do {
            return try EmailAddress(parsing: text, allowUTF8: true)
        } catch {
            throw APIError(
                code: "bad-address", message: "<\(SafeText(text).text)> is no address: \(error)")
        }
    }
}

extension ByteBuffer {
    /// Every CR is followed by LF and every LF preceded by CR (RFC 5321 §2.3.8).
    var hasOnlyCRLF: Bool {
        var previous: UInt8 = 0
        for byte in readableBytesView {
            if (byte == 0x0a) != (previous == 0x0d) { return false }
            previous = byte
        }
        return previous != 0x0d
    }

    var endsWithCRLF: Bool { readableBytesView.suffix(2).elementsEqual([0x0d, 0x0a]) }

    /// Up to the empty line, as text that can drive no terminal.
    func bodyLines(of id: String, limit: Int) -> MessageBody {
        var rest = readableBytesView
        var isHeader = true
        var lines: [String] = []
        while !rest.isEmpty, lines.count < limit {
            let end = rest.firstIndex(of: 0x0a) ?? rest.endIndex
            var line = rest[..<end]
            if line.last == 0x0d { line = line.dropLast() }
            rest = rest[(end < rest.endIndex ? rest.index(after: end) : end)...]
            if isHeader {
                isHeader = !line.isEmpty
            } else {
                lines.append(SafeText(decoding: line.prefix(1000)).text)
            }
        }
        return MessageBody(id: id, lines: lines, bytesLeft: rest.count)
    }

    func headerSection(limit: Int) -> String {
        let bytes = readableBytesView.prefix(limit)
        var lines: [String] = []
        for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false) {
            let line = line.last == 0x0d ? line.dropLast() : line
            if line.isEmpty { break }
            lines.append(SafeText(decoding: line).text)
        }
        return lines.joined(separator: "\n")
    }
}
