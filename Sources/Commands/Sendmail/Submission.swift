package import Control
package import Mail
import NIOCore

/// A message of a local program, made ready for the daemon.
package struct Submission: Sendable {
    /// Empty for the null sender.
    package var sender: String
    package var recipients: [String]
    /// With CRLF line ends and the header fields that every message has.
    package var message: [UInt8]

    /// What the process knows about who sends.
    package struct Author: Sendable {
        /// The login name.
        package var user: String
        /// For a missing From field; empty for none.
        package var fullName: String
        /// For addresses without a domain, and for the Message-ID.
        package var domain: String

        package init(user: String, fullName: String, domain: String) {
            self.user = user
            self.fullName = fullName
            self.domain = domain
        }
    }

    /// - Parameters:
    ///   - input: with CRLF line ends.
    ///   - unique: for the Message-ID: what no other message has.
    /// - Throws: `CommandFailure` with a status of sysexits.
    package init(
        _ input: [UInt8], options: SendmailOptions, author: Author, now: UnixTime, unique: UInt64
    ) throws(CommandFailure) {
        var header = HeaderSection(input)
        let named = options.recipients.flatMap { Self.addresses($0) }
        var recipients = [String]()
        for list in named { recipients += try list.get() }
        if options.readsRecipients {
            recipients += try Self.recipients(of: header)
            header.remove(["bcc", "resent-bcc"])
        }
        guard !recipients.isEmpty else {
            throw CommandFailure(
                status: SysExit.usage,
                message: options.readsRecipients
                    ? "no recipients: there are none in To, Cc and Bcc"
                    : "no recipients: name them, or take those of the header with -t")
        }
        var seen = Set<String>()
        self.recipients = try recipients.map { address throws(CommandFailure) in
            try Self.qualified(address, author.domain)
        }.filter { seen.insert($0).inserted }
        sender = try Self.sender(options.sender, author)

        let from = sender.isEmpty ? "\(author.user)@\(author.domain)" : sender
        if !header.has("Message-ID") {
            let left = "\(now.milliseconds).\(String(unique, radix: 16))"
            header.prepend("Message-ID", "<\(left)@\(author.domain)>")
        }
        if !header.has("Date") { header.prepend("Date", DateHeader.format(now)) }
        if !header.has("From") {
            let name = options.fullName ?? author.fullName
            header.prepend("From", name.isEmpty ? from : "\(Self.phrase(name)) <\(from)>")
        }
        message = header.message
    }

    /// Hands it in; the id that it has from now on. Throws as the client does.
    package func send(_ client: ControlClient) async throws -> String {
        try await client.submit(ByteBuffer(bytes: message), from: sender, to: recipients)
    }

    // MARK: Recipients

    /// A program may put several addresses, or one with a name, into one argument.
    private static func addresses(_ argument: String) -> [Result<[String], CommandFailure>] {
        do {
            return [.success(try AddressList(parsing: argument).addresses)]
        } catch {
            return [
                .failure(
                    CommandFailure(
                        status: SysExit.noUser,
                        message: "recipient '\(SafeText(argument))': \(error.message)"))
            ]
        }
    }

    /// Those of the Resent fields if there are any: then the others are history (RFC 5322,
    /// section 3.6.6).
    private static func recipients(
        of header: HeaderSection
    ) throws(CommandFailure) -> [String] {
        let resent = ["Resent-To", "Resent-Cc", "Resent-Bcc"]
        let names = resent.contains { header.has($0) } ? resent : ["To", "Cc", "Bcc"]
        var result = [String]()
        for name in names {
            for field in header.fields(named: name) {
                do {
                    result += try AddressList(parsing: field.value).addresses
                } catch {
                    throw CommandFailure(
                        status: SysExit.dataError, message: "\(name): \(error.message)")
                }
            }
        }
        return result
    }

    private static func qualified(
        _ address: String, _ domain: String
    ) throws(CommandFailure) -> String {
        guard address.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw CommandFailure(
                status: SysExit.noUser,
                message: "address '\(SafeText(address))' has control characters in it")
        }
        // A quoted local part may contain an "@"; the last one outside it counts.
        let afterQuotes = address.lastIndex(of: "\"").map { address[$0...] } ?? address[...]
        return afterQuotes.contains("@") ? address : "\(address)@\(domain)"
    }

    private static func sender(
        _ option: String?, _ author: Author
    ) throws(CommandFailure) -> String {
        guard let option else { return "\(author.user)@\(author.domain)" }
        if option.isEmpty || option == "<>" { return "" }
        let addresses: [String]
        do {
            addresses = try AddressList(parsing: option).addresses
        } catch {
            throw CommandFailure(
                status: SysExit.dataError,
                message: "sender '\(SafeText(option))': \(error.message)")
        }
        guard addresses.count == 1 else {
            throw CommandFailure(
                status: SysExit.dataError,
                message: "sender '\(SafeText(option))': not one address")
        }
        return try qualified(addresses[0], author.domain)
    }

    // MARK: Names

    /// A name as it may stand before an address: plain, in quotes, or as encoded words
    /// (RFC 2047) where it is not ASCII. Control characters are left out.
    static func phrase(_ name: String) -> String {
        let scalars = name.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }
        if scalars.allSatisfy({ $0.isASCII }) {
            let isPlain = scalars.allSatisfy {
                $0 == " " || $0.properties.isAlphabetic || ("0"..."9").contains($0)
                    || "!#$%&'*+-/=?^_`{|}~".unicodeScalars.contains($0)
            }
            var text = ""
            for scalar in scalars {
                if scalar == "\"" || scalar == "\\" { text += "\\" }
                text.unicodeScalars.append(scalar)
            }
            return isPlain ? text : "\"\(text)\""
        }
        // An encoded word has at most 75 characters (section 2); 12 of them are its frame, so 45
        // bytes fit, and a character may not be split.
        var words = [[UInt8]]()
        for scalar in scalars {
            let bytes = Array(String(scalar).utf8)
            if let last = words.last, last.count + bytes.count <= 45 {
                words[words.count - 1] += bytes
            } else {
                words.append(bytes)
            }
        }
        return words.map { "=?UTF-8?B?\(Base64.encode($0))?=" }.joined(separator: " ")
    }

    // MARK: Failures

    /// What a program that calls `sendmail` is told, with a status of sysexits.
    package static func failure(_ error: any Error) -> CommandFailure {
        switch error {
        case let failure as CommandFailure: return failure
        case let refused as SubmissionRefused:
            let code = refused.error.code
            let status =
                switch refused.status {
                case 401, 403: SysExit.noPermission
                case 408, 429, 500...: SysExit.temporary
                case _ where code.contains("recipient") || code.contains("rcpt"): SysExit.noUser
                default: SysExit.dataError
                }
            return CommandFailure(status: status, message: refused.error.message)
        case let error as APIError:
            return CommandFailure(status: SysExit.dataError, message: error.message)
        case let error as ControlError:
            let status = error.code == .notAllowed ? SysExit.noPermission : SysExit.temporary
            return CommandFailure(status: status, message: error.message)
        default: return CommandFailure(status: SysExit.temporary, message: "\(error)")
        }
    }
}
