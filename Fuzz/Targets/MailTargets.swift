import Commands
import Mail

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension FuzzTarget {
    /// An address is itself when it is read again, and stays within its limits.
    static let address = FuzzTarget("address", maximumLength: 1200) { bytes in
        var input = FuzzInput(bytes)
        let utf8 = input.byte() & 1 == 1
        let text = input.text
        guard let address = try? EmailAddress(parsing: text, allowUTF8: utf8) else { return }
        let again = try? EmailAddress(parsing: address.text, allowUTF8: utf8)
        try demandEqual(again, address, "Read again")
        try demandEqual(address.text, "\(address.localPart)@\(address.domain)", "Its parts")
        try demand(address.text.utf8.count <= EmailAddress.maxAddress, "Too long")
        try demand(address.domain.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "Domain")
        try demand(utf8 || !address.needsUTF8, "Not ASCII")
        try FuzzTarget.demandUncontrolled(address.text)
        // As a header names it, too.
        let listed = try? AddressList(parsing: "\"A, b\" <\(address.text)> (c), \(address.text)")
        try demandEqual(listed?.addresses, [address.text, address.text], "In a list")
    }

    /// The recipients of sendmail's command line and of a header.
    static let addressList = FuzzTarget("address-list", maximumLength: 1024) { bytes in
        let text = FuzzInput(bytes).text
        do {
            for address in try AddressList(parsing: text).addresses {
                let again = try? AddressList(parsing: address).addresses
                try demandEqual(again, [address], "Read again, from \(text.debugDescription)")
            }
        } catch let error as AddressListError {
            try demand((0...text.utf8.count).contains(error.position), "\(error.position)")
            try demand(!error.message.isEmpty, "No message")
        }
    }

    /// Bounces about anything at all; only the line ends of the original are sure.
    static let dsn = FuzzTarget("dsn", maximumLength: 4096) { bytes in
        var input = FuzzInput(bytes)
        let settings = input.byte()
        var fields = input.fields[...]
        // As long as what comes in may be.
        func next(_ limit: Int = 254) -> String {
            String(decoding: (fields.popFirst() ?? "").utf8.prefix(limit), as: UTF8.self)
        }
        let isLocal = settings & 4 == 0
        let recipients = (0...Int(settings >> 6)).map { _ in
            DeliveryStatusNotification.Recipient(
                address: next(), originalRecipient: next(500),
                reply: Reply(
                    code: isLocal ? 0 : 550, enhanced: EnhancedCode(5, 1, 1),
                    lines: [SafeText(next(1000)).text, SafeText(next(1000)).text]),
                status: settings & 8 == 0 ? nil : EnhancedCode(4, 4, 7), remoteMTA: next(),
                lastAttempt: UnixTime(milliseconds: Int64(settings) << 40),
                retryUntil: UnixTime(milliseconds: .max))
        }
        let notification = DeliveryStatusNotification(
            kind: settings & 1 == 0 ? .failed : .delayed, id: next(), reportingMTA: next(),
            sender: next(), envelopeID: next(100), arrival: UnixTime(milliseconds: .min),
            date: UnixTime(milliseconds: 1_790_000_000_000), recipients: recipients,
            original: LineEnds.crlf(next(.max).utf8.filter { $0 != 13 }),
            returnFull: settings & 2 != 0)
        try demandReport(notification.render(), recipients: recipients.count)
    }

    /// One report of three parts, whose header has our fields and no others.
    private static func demandReport(_ bytes: [UInt8], recipients: Int) throws {
        let text = String(decoding: bytes, as: UTF8.self)
        try demand(text.utf8.elementsEqual(bytes), "A report that is no UTF-8")
        let lines = bytes.split(separator: 10, omittingEmptySubsequences: false)
        try demand(lines.last?.isEmpty == true, "The last line does not end")
        for line in lines.dropLast() {
            try demand(line.last == 13 && !line.dropLast().contains(13), "A bare CR or LF")
        }
        let section = HeaderSection(bytes)
        let names = section.fields.map(\.name).filter { $0 != "Content-Transfer-Encoding" }
        try demandEqual(
            names,
            [
                "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
                "Content-Type",
            ], "The header")
        let type = section.fields(named: "Content-Type").first?.value ?? ""
        let boundary = type.split(separator: "\"").dropFirst().first ?? ""
        try demand(!boundary.isEmpty, "No boundary in \(type)")
        let open = Array("--\(boundary)\r".utf8)
        let close = Array("--\(boundary)--\r".utf8)
        let parts = lines.split(whereSeparator: { $0.elementsEqual(open) })
        try demandEqual(parts.count, 4, "Parts")
        try demandEqual(lines.count { $0.elementsEqual(close) }, 1, "Ends")
        // The returned message has the lines that it had.
        for line in parts.prefix(3).joined() {
            try demand(line.count <= 999, "A line of \(line.count) octets")
        }
        // A group of fields for the message, one for each recipient, an empty line between.
        let status = parts[2].drop { $0.count > 1 }.dropFirst()
        let groups = status.split { $0.elementsEqual([13]) }
        try demandEqual(groups.count, recipients + 1, "Groups of the delivery status")
    }

    /// Encodings and canonical forms of short texts, and what makes them fit to be shown.
    static let text = FuzzTarget("text", maximumLength: 512) { bytes in
        var input = FuzzInput(bytes)
        let limit = Int(input.byte()) + 1
        let text = input.text

        try demandEqual(Xtext.decode(Xtext.encode(text)), text, "xtext")
        try demand(Xtext.isValid(Xtext.encode(text).utf8), "xtext that is none")
        if Xtext.isValid(text.utf8), let decoded = Optional(Xtext.decode(text)) {
            try demandEqual(Xtext.decode(Xtext.encode(decoded)), decoded, "xtext again")
        }
        if let name = DomainName.canonical(text) {
            try demandEqual(DomainName.canonical(name), name, "A domain")
            try demandEqual(DomainName.canonical(name.uppercased()), name, "A domain's case")
            try demand(name.utf8.count <= 255 && !name.hasSuffix("."), name)
        }
        if !text.utf8.contains(0) {
            var four = in_addr()
            var six = in6_addr()
            try demandEqual(
                AddressLiteral.isIPv4(text), inet_pton(AF_INET, text, &four) == 1, "IPv4: \(text)")
            try demandEqual(
                AddressLiteral.isIPv6(text), inet_pton(AF_INET6, text, &six) == 1, "IPv6: \(text)")
        }
        if let literal = AddressLiteral.canonical(Array(text.utf8)) {
            try demandEqual(AddressLiteral.canonical(Array(literal.utf8)), literal, "A literal")
        }
        if let id = DeliveryID(text: text) {
            try demandEqual(DeliveryID(text: id.description), id, "An id")
            try demandEqual(MessageID(text: id.message.description), id.message, "An id")
        }
        if let code = EnhancedCode.parse(text) {
            try demandEqual(EnhancedCode.parse(code.description), code, "A code")
        }
        let safe = SafeText(text, limit: limit).text
        try FuzzTarget.demandSafe(safe)
        try demand(safe.unicodeScalars.count <= limit, "\(safe.unicodeScalars.count) of \(limit)")
        try demandEqual(SafeText(safe, limit: limit).text, safe, "Made safe again")
        _ = DateHeader.format(UnixTime(seconds: Double(text) ?? 0))
    }

    /// What sendmail reads: cut anyhow it is the same message, in lines that end.
    static let message = FuzzTarget("message", maximumLength: 4096) { bytes in
        var input = FuzzInput(bytes)
        let settings = input.byte()
        let seed = input.byte()
        let whole = read(pieces(input.rest, seed: 255), endsAtDot: settings & 1 == 0)
        let cut = read(pieces(input.rest, seed: seed), endsAtDot: settings & 1 == 0)
        try demandEqual(whole, cut, "Cut otherwise")
        for index in whole.indices where whole[index] == 10 {
            try demand(index > 0 && whole[index - 1] == 13, "A bare LF")
        }
        try demand(whole.isEmpty || whole.suffix(2) == [13, 10], "The last line does not end")

        let section = HeaderSection(whole)
        let again = HeaderSection(section.message)
        try demandEqual(again.message, section.message, "Read again")
        try demandEqual(again.fields.map(\.name), section.fields.map(\.name), "Fields")
        try demandEqual(Array(again.body), Array(section.body), "Body")

        var options = SendmailOptions()
        options.readsRecipients = true
        let author = Submission.Author(user: "user", fullName: "A \"B\" é\r\n", domain: "host.test")
        guard
            let submission = try? Submission(
                whole, options: options, author: author, now: UnixTime(milliseconds: 0), unique: 1)
        else { return }
        let sent = HeaderSection(submission.message)
        try demand(!sent.has("Bcc") && !sent.has("Resent-Bcc"), "Bcc is told to all")
        for name in ["From", "Date", "Message-ID"] { try demand(sent.has(name), "No \(name)") }
        try demandEqual(Array(sent.body), Array(section.body), "The body of what is sent")
        for recipient in submission.recipients { try FuzzTarget.demandUncontrolled(recipient) }
    }

    private static func read(_ pieces: [ArraySlice<UInt8>], endsAtDot: Bool) -> [UInt8] {
        var input = MessageInput(endsAtDot: endsAtDot)
        for piece in pieces where input.append(piece) { break }
        return input.finish()
    }

    /// It cannot end a line or a command.
    static func demandUncontrolled(_ text: String) throws {
        try demand(
            text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F },
            "A control character in \(text.debugDescription)")
    }
}
