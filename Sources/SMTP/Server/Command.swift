import Mail

/// One line of a client, understood. Sans CRLF.
enum Command {
    case ehlo(String)
    case helo(String)
    /// An envelope without recipients.
    case mail(Envelope)
    case rcpt(EnvelopeRecipient)
    case data
    case rset
    case noop
    case quit
    case vrfy
    case help
    case startTLS
    /// No command, or one with wrong arguments: what to answer.
    case malformed(Reply)

    /// - Parameter utf8: whether the transaction has SMTPUTF8, for the addresses in RCPT.
    static func parse(_ line: UnsafeRawBufferPointer, utf8: Bool) -> Command {
        var line = CommandReader(line)
        // Spaces at the end are allowed everywhere (RFC 5321 §4.1.1).
        line.dropTrailingSpaces()
        guard line.isText else {
            return .malformed(Reply(500, EnhancedCode(5, 5, 2), "Control character in command"))
        }
        switch line.takeVerb() {
        case "EHLO": return hello(&line, Command.ehlo)
        case "HELO": return hello(&line, Command.helo)
        case "MAIL": return mail(&line)
        case "RCPT": return rcpt(&line, utf8: utf8)
        case "DATA": return bare(.data, &line)
        case "RSET": return bare(.rset, &line)
        case "QUIT": return bare(.quit, &line)
        case "STARTTLS": return bare(.startTLS, &line)
        case "NOOP": return .noop
        case "VRFY": return .vrfy
        case "HELP": return .help
        default:
            return .malformed(Reply(500, EnhancedCode(5, 5, 1), "Command not recognized"))
        }
    }

    private static func bare(_ command: Command, _ line: inout CommandReader) -> Command {
        line.isAtEnd ? command : syntax("No argument is allowed here")
    }

    private static func hello(
        _ line: inout CommandReader, _ make: (String) -> Command
    ) -> Command {
        guard line.skipSpaces(), let name = line.takeWord(), line.isAtEnd else {
            return syntax("Syntax: EHLO your.host.name")
        }
        guard name.utf8.count <= 255, name.utf8.allSatisfy({ $0 < 0x80 }) else {
            return syntax("That is no host name")
        }
        return make(name)
    }

    private static func syntax(_ text: String) -> Command {
        .malformed(Reply(501, EnhancedCode(5, 5, 4), text))
    }

    // MARK: MAIL

    private static func mail(_ line: inout CommandReader) -> Command {
        guard line.skipSpaces(), line.take("FROM:"), let path = line.takePath() else {
            return .malformed(Reply(501, EnhancedCode(5, 5, 2), "Syntax: MAIL FROM:<address>"))
        }
        var envelope = Envelope(sender: "")
        var seen = Set<String>()
        while !line.isAtEnd {
            guard let (name, value) = line.takeParameter() else {
                return syntax("Malformed parameter of MAIL")
            }
            guard seen.insert(name).inserted else {
                return syntax("Parameter given twice: \(name)")
            }
            if let problem = read(name, value, into: &envelope) { return .malformed(problem) }
        }
        if path.isEmpty { return .mail(envelope) }
        do throws(AddressError) {
            envelope.sender = try EmailAddress(parsing: path, allowUTF8: envelope.utf8).text
            return .mail(envelope)
        } catch {
            return .malformed(refusal(error, detail: 7))
        }
    }

    private static func read(
        _ name: String, _ value: String?, into envelope: inout Envelope
    ) -> Reply? {
        let wrong = Reply(501, EnhancedCode(5, 5, 4), "Wrong value for \(name)")
        switch name {
        case "SIZE":
            // Up to 20 digits (RFC 1870 §4); what no Int can hold is too large in any case.
            guard let value, (1...20).contains(value.utf8.count),
                value.utf8.allSatisfy({ (0x30...0x39).contains($0) })
            else { return wrong }
            envelope.declaredSize = Int(value) ?? Int.max
        case "BODY":
            switch value?.uppercased() {
            case "7BIT": envelope.eightBit = false
            case "8BITMIME": envelope.eightBit = true
            default: return wrong
            }
        case "SMTPUTF8":
            guard value == nil else { return wrong }
            envelope.utf8 = true
        case "RET":
            guard let value = value?.uppercased(), value == "FULL" || value == "HDRS" else {
                return wrong
            }
            envelope.ret = value
        case "ENVID":
            // At most 100 characters (RFC 3461 §4.4).
            guard let value, (1...100).contains(value.utf8.count), Xtext.isValid(value.utf8)
            else { return wrong }
            envelope.envelopeID = value
        default:
            return unknown(name)
        }
        return nil
    }

    // MARK: RCPT

    private static func rcpt(_ line: inout CommandReader, utf8: Bool) -> Command {
        guard line.skipSpaces(), line.take("TO:"), let path = line.takePath(), !path.isEmpty
        else {
            return .malformed(Reply(501, EnhancedCode(5, 5, 2), "Syntax: RCPT TO:<address>"))
        }
        var recipient: EnvelopeRecipient
        do throws(AddressError) {
            recipient = EnvelopeRecipient(
                address: try EmailAddress(
                    parsing: path, allowUTF8: utf8, allowBarePostmaster: true))
        } catch {
            return .malformed(refusal(error, detail: 3))
        }
        while !line.isAtEnd {
            guard let (name, value) = line.takeParameter() else {
                return syntax("Malformed parameter of RCPT")
            }
            let wrong = Reply(501, EnhancedCode(5, 5, 4), "Wrong value for \(name)")
            switch name {
            case "NOTIFY":
                guard recipient.notify.isEmpty, let value, let notify = notify(value) else {
                    return .malformed(wrong)
                }
                recipient.notify = notify
            case "ORCPT":
                guard recipient.originalRecipient.isEmpty, let value,
                    isOriginalRecipient(value, utf8: utf8)
                else { return .malformed(wrong) }
                recipient.originalRecipient = value
            default:
                return .malformed(unknown(name))
            }
        }
        return .rcpt(recipient)
    }

    /// NEVER alone, or some of the others, each once (RFC 3461 §4.1).
    private static func notify(_ value: String) -> String? {
        let value = value.uppercased()
        if value == "NEVER" { return value }
        let words = value.split(separator: ",", omittingEmptySubsequences: false)
        guard Set(words).count == words.count,
            words.allSatisfy({ $0 == "SUCCESS" || $0 == "FAILURE" || $0 == "DELAY" })
        else { return nil }
        return value
    }

    /// An address type, ";", an address in xtext; at most 500 characters (RFC 3461 §4.2).
    private static func isOriginalRecipient(_ value: String, utf8: Bool) -> Bool {
        let bytes = value.utf8
        guard bytes.count <= 500, let semicolon = bytes.firstIndex(of: UInt8(ascii: ";")) else {
            return false
        }
        let type = bytes[..<semicolon]
        let address = bytes[bytes.index(after: semicolon)...]
        return !type.isEmpty && type.allSatisfy(CommandReader.isKeyword) && !address.isEmpty
            && Xtext.isValid(address, allowUTF8: utf8)
    }

    // MARK: Refusals

    private static func unknown(_ name: String) -> Reply {
        Reply(555, EnhancedCode(5, 5, 4), "Parameter not recognized: \(name)")
    }

    /// - Parameter detail: 7 for a sender, 3 for a recipient (RFC 3463 §3.2).
    private static func refusal(_ error: AddressError, detail: Int) -> Reply {
        if error == .notASCII {
            return Reply(553, EnhancedCode(5, 6, 7), "A non-ASCII address needs SMTPUTF8")
        }
        return Reply(501, EnhancedCode(5, 1, detail), "Bad address: \(error)")
    }
}
