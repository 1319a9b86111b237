/// A report to the sender about recipients that failed or are late (RFC 3464), as a message with
/// CRLF line ends. The envelope that carries it has the null sender.
package struct DeliveryStatusNotification: Sendable {
    package enum Kind: Sendable, Hashable, CaseIterable {
        /// Given up.
        case failed
        /// Still being tried.
        case delayed
        /// Passed to a server that gives no reports itself (RFC 3461 §5.2.2); asked for with
        /// NOTIFY=SUCCESS.
        case relayed
    }

    package struct Recipient: Sendable {
        package var address: String
        /// As RCPT had it in ORCPT ("rfc822;user+40example.com"), or "".
        package var originalRecipient: String
        /// What became of this one, where a report tells of several kinds; nil: the report's.
        package var kind: Kind?
        /// The last answer, a server's or a local one.
        package var reply: Reply
        /// In place of the status of `reply`; 4.4.7 for mail that expired.
        package var status: EnhancedCode?
        /// The host that gave `reply`, or "".
        package var remoteMTA: String
        package var lastAttempt: UnixTime?
        /// Of a delayed recipient: when it will be given up.
        package var retryUntil: UnixTime?

        package init(
            address: String, originalRecipient: String = "", kind: Kind? = nil, reply: Reply,
            status: EnhancedCode? = nil, remoteMTA: String = "", lastAttempt: UnixTime? = nil,
            retryUntil: UnixTime? = nil
        ) {
            self.address = address
            self.originalRecipient = originalRecipient
            self.kind = kind
            self.reply = reply
            self.status = status
            self.remoteMTA = remoteMTA
            self.lastAttempt = lastAttempt
            self.retryUntil = retryUntil
        }
    }

    package var kind: Kind
    /// Names the report in its Message-ID and its boundary; the same id gives the same bytes.
    package var id: String
    /// This host.
    package var reportingMTA: String
    /// To whom it goes: the sender of the original message, not "".
    package var sender: String
    /// As MAIL had it in ENVID (xtext), or "".
    package var envelopeID: String
    package var arrival: UnixTime
    /// When the report is made.
    package var date: UnixTime
    package var recipients: [Recipient]
    /// The message, without dot-stuffing.
    package var original: [UInt8]
    /// Return the whole message (RET=FULL) if it has at most `maxOriginal` octets; its header
    /// otherwise.
    package var returnFull: Bool

    /// Octets of the original that a report may carry.
    package static let maxOriginal = 128 * 1024

    package init(
        kind: Kind, id: String, reportingMTA: String, sender: String, envelopeID: String = "",
        arrival: UnixTime, date: UnixTime, recipients: [Recipient], original: [UInt8],
        returnFull: Bool = false
    ) {
        self.kind = kind
        self.id = id
        self.reportingMTA = reportingMTA
        self.sender = sender
        self.envelopeID = envelopeID
        self.arrival = arrival
        self.date = date
        self.recipients = recipients
        self.original = original
        self.returnFull = returnFull
    }

    /// Whether the sender gets a report of this kind about a recipient: never a null sender
    /// (RFC 5321 §6.1); otherwise as `notify`, the value of RCPT's NOTIFY, says. Without one
    /// failures and delays are reported (RFC 3461 §4.1).
    package static func applies(sender: String, notify: String, kind: Kind) -> Bool {
        guard !sender.isEmpty else { return false }
        guard !notify.isEmpty else { return kind != .relayed }
        let wanted =
            switch kind {
            case .failed: "FAILURE"
            case .delayed: "DELAY"
            case .relayed: "SUCCESS"
            }
        return notify.split(separator: ",").contains { $0.uppercased() == wanted }
    }

    /// Whether the report's own header is not ASCII, so that its envelope needs SMTPUTF8.
    package var needsUTF8: Bool { sender.utf8.contains { $0 >= 0x80 } }

    package func render() -> [UInt8] {
        let text = explanation()
        let status = deliveryStatus()
        let (returned, whole) = returnedPart()
        let boundary = freeBoundary(in: [text, status, returned])
        let eightBit = [text, status, returned].contains { $0.contains { $0 >= 0x80 } }

        var out = header(boundary: boundary, eightBit: eightBit)
        func part(_ type: String, _ content: [UInt8]) {
            out += "--\(boundary)\r\nContent-Type: \(type)\r\n".utf8
            if content.contains(where: { $0 >= 0x80 }) {
                out += "Content-Transfer-Encoding: 8bit\r\n".utf8
            }
            out += "\r\n".utf8
            out += content
            out += "\r\n".utf8
        }
        part("text/plain; charset=utf-8", text)
        part("message/delivery-status", status)
        part(whole ? "message/rfc822" : "text/rfc822-headers", returned)
        out += "--\(boundary)--\r\n".utf8
        return out
    }

    // MARK: The parts

    private func header(boundary: String, eightBit: Bool) -> [UInt8] {
        let host = clean(reportingMTA)
        let subject =
            switch kind {
            case .failed: "Undelivered mail"
            case .delayed: "Delayed mail (still being retried)"
            case .relayed: "Relayed mail"
            }
        var fields = """
            From: Mail Delivery System <MAILER-DAEMON@\(host)>
            To: <\(clean(sender))>
            Subject: \(subject)
            Date: \(DateHeader.format(date))
            Message-ID: <\(token(id)).dsn@\(host)>
            Auto-Submitted: auto-replied
            MIME-Version: 1.0
            Content-Type: multipart/report; report-type=delivery-status;
            \tboundary="\(boundary)"

            """
        if eightBit { fields += "Content-Transfer-Encoding: 8bit\n" }
        return crlf(fields + "\n")
    }

    private func explanation() -> [UInt8] {
        var text = "This is the mail system at \(clean(reportingMTA)).\n"
        for kind in Kind.allCases {
            let concerned = recipients.filter { ($0.kind ?? self.kind) == kind }
            guard !concerned.isEmpty else { continue }
            text += "\n" + Self.introduction(to: kind)
            for recipient in concerned {
                text += "\n<\(clean(recipient.address))>"
                if kind == .delayed, let until = recipient.retryUntil {
                    text += ", tried until \(DateHeader.format(until))"
                }
                let host = recipient.remoteMTA
                text +=
                    ":\n" + wrapped(host.isEmpty ? "" : "\(clean(host)) said: ", recipient.reply)
            }
        }
        return crlf(text)
    }

    private static func introduction(to kind: Kind) -> String {
        switch kind {
        case .failed:
            """
            Your message could not be delivered to the recipients below. It will not be tried
            again. What was answered last stands below each of them.

            """
        case .delayed:
            """
            Your message has not yet been delivered to the recipients below. You need not send
            it again: it is still being tried. What was answered last stands below each of them.

            """
        case .relayed:
            """
            Your message was passed on for the recipients below, to a mail system that does not
            confirm delivery. You will hear of it again only if it fails there.

            """
        }
    }

    private func deliveryStatus() -> [UInt8] {
        var text = "Reporting-MTA: dns; \(clean(reportingMTA))\n"
        if !envelopeID.isEmpty {
            text += "Original-Envelope-Id: \(clean(Xtext.decode(envelopeID)))\n"
        }
        text += "Arrival-Date: \(DateHeader.format(arrival))\n"
        for recipient in recipients {
            text += "\n"
            if let original = originalRecipient(recipient.originalRecipient) {
                text += "Original-Recipient: \(original)\n"
            }
            let address = clean(recipient.address)
            let type = address.utf8.contains { $0 >= 0x80 } ? "utf-8" : "rfc822"
            text += "Final-Recipient: \(type); \(address)\n"
            let kind = recipient.kind ?? kind
            text += "Action: \(kind)\n"
            text += "Status: \(status(of: recipient))\n"
            if !recipient.remoteMTA.isEmpty {
                text += "Remote-MTA: dns; \(clean(recipient.remoteMTA))\n"
            }
            let source = recipient.reply.isLocal ? "x-sluice" : "smtp"
            text += folded("Diagnostic-Code: \(source); " + clean(recipient.reply.text)) + "\n"
            if let time = recipient.lastAttempt {
                text += "Last-Attempt-Date: \(DateHeader.format(time))\n"
            }
            if kind == .delayed, let time = recipient.retryUntil {
                text += "Will-Retry-Until: \(DateHeader.format(time))\n"
            }
        }
        return crlf(text)
    }

    /// The message, or its header with the empty line left out, and which of them it is.
    private func returnedPart() -> (bytes: [UInt8], whole: Bool) {
        if returnFull, kind == .failed, original.count <= Self.maxOriginal {
            return (original, true)
        }
        var end = original.startIndex
        var atLineStart = true
        for (index, byte) in original.prefix(Self.maxOriginal).enumerated() {
            if atLineStart, byte == 0x0D || byte == 0x0A { break }
            atLineStart = byte == 0x0A
            // Whole lines only, should the limit cut one.
            if atLineStart { end = index + 1 }
        }
        return (Array(original[..<end]), false)
    }

    private func status(of recipient: Recipient) -> EnhancedCode {
        let kind = recipient.kind ?? kind
        let status = recipient.status ?? recipient.reply.enhanced
        switch kind {
        case .relayed:
            return status.flatMap { $0.klass == 2 ? $0 : nil } ?? EnhancedCode(2, 0, 0)
        case .delayed:
            // What a receiver called final is tried again all the same, where a rule says so.
            return status.map { EnhancedCode(4, $0.subject, $0.detail) } ?? EnhancedCode(4, 0, 0)
        case .failed:
            if let status, status.klass != 2 { return status }
            switch recipient.reply.klass {
            case 4: return EnhancedCode(4, 0, 0)
            default: return EnhancedCode(5, 0, 0)
            }
        }
    }

    private func originalRecipient(_ value: String) -> String? {
        guard let semicolon = value.firstIndex(of: ";") else { return nil }
        let address = Xtext.decode(value[value.index(after: semicolon)...])
        return "\(token(String(value[..<semicolon]))); \(clean(address))"
    }

    // MARK: Text

    /// A boundary that occurs in none of the parts, whatever the sender of the original wrote.
    private func freeBoundary(in parts: [[UInt8]]) -> String {
        var attempt = 0
        while true {
            let boundary = "=_sluice.\(token(id)).\(attempt)"
            if !parts.contains(where: { Self.contains($0, boundary) }) { return boundary }
            attempt += 1
        }
    }

    private static func contains(_ bytes: [UInt8], _ text: String) -> Bool {
        let pattern = Array(text.utf8)
        guard bytes.count >= pattern.count else { return false }
        return (0...(bytes.count - pattern.count)).contains { start in
            bytes[start] == pattern[0] && bytes[start..<(start + pattern.count)] == pattern[...]
        }
    }

    private func clean(_ text: String) -> String { SafeText(text).text }

    /// What may stand unquoted in a Message-ID, an address type and a boundary.
    private func token(_ text: String) -> String {
        String(
            text.prefix(60).filter {
                $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == ".")
            })
    }

    /// `lead` and the reply as paragraphs, indented by four, of lines of up to 76 characters.
    private func wrapped(_ lead: String, _ reply: Reply) -> String {
        var lines: [String] = []
        var line = ""
        for word in (lead + clean(reply.text)).split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > 72 {
                lines.append(line)
                line = ""
            }
            line += line.isEmpty ? word : " " + word
        }
        lines.append(line)
        return lines.map { "    \($0)\n" }.joined()
    }

    /// A header field in lines of up to 78 characters where it has spaces (RFC 5322 §2.2.3).
    private func folded(_ field: String) -> String {
        var output = ""
        var column = 0
        for (index, word) in field.split(separator: " ", omittingEmptySubsequences: false)
            .enumerated()
        {
            // Not right after the name, and nothing that would leave a line of spaces only.
            if index > 1, !word.isEmpty, column + 1 + word.count > 78 {
                output += "\n "
                column = 1
            } else if index > 0 {
                output += " "
                column += 1
            }
            output += word
            column += word.count
        }
        return output
    }

    private func crlf(_ text: String) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.utf8.count + 64)
        for byte in text.utf8 {
            if byte == 0x0A { output.append(0x0D) }
            output.append(byte)
        }
        return output
    }
}
