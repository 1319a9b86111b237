package import Mail
package import NIOCore
import Scheduler

/// One message as an application hands it in.
package struct GeneratedMail: Sendable {
    /// Also the value of its `X-Testbed-ID`; unique within a stream.
    package var id: String
    package var sender: String
    package var recipients: [String]
    /// Header and body, CRLF line ends, not dot-stuffed.
    package var content: ByteBuffer
}

/// An endless, repeatable stream of messages like those of a small company: a newsletter with many
/// readers, password resets, invoices. A pure value: the same seed makes the same mail.
package struct MailStream: Sendable {
    /// A kind of mail. Weights are shares of the messages.
    private struct Kind: Sendable {
        var weight: Int
        var sender: String
        var subject: String
        var size: ClosedRange<Int>
        var recipients: ClosedRange<Int>
    }

    private static let kinds = [
        Kind(
            weight: 60, sender: "news@shop.test", subject: "This week's offers",
            size: 8_000...30_000, recipients: 1...4),
        Kind(
            weight: 30, sender: "no-reply@accounts.test", subject: "Reset your password",
            size: 2_000...4_000, recipients: 1...1),
        Kind(
            weight: 10, sender: "billing@shop.test", subject: "Your invoice",
            size: 20_000...60_000, recipients: 1...2),
    ]

    /// The domains that the senders, and so the bounces, belong to.
    package static let senderDomains = ["shop.test", "accounts.test"]

    private let skew: DomainSkew
    private let tag: String
    private let mailboxes: Int
    private var generator: SplitMix64
    private var count = 0
    /// Lines of text, long enough for the largest message; every message is a piece of it.
    private let text: ByteBuffer

    /// - Parameters:
    ///   - domains: The most popular first.
    ///   - mailboxes: In each domain.
    ///   - tag: Sets the ids of this stream apart from another's.
    package init(domains: [String], mailboxes: Int = 500, tag: String = "t", seed: UInt64 = 1) {
        skew = DomainSkew(domains: domains)
        self.tag = tag
        self.mailboxes = mailboxes
        generator = SplitMix64(seed: seed)
        text = Self.text(using: &generator)
    }

    /// - Parameter date: For the Date field.
    package mutating func next(date: UnixTime) -> GeneratedMail {
        count += 1
        let id = "\(tag)-\(count)"
        let kind = pickKind()
        // Recipients of one message share a domain as often as not, as colleagues do.
        var recipients: [String] = []
        var domain = skew.pick(using: &generator)
        for _ in 0..<Int.random(in: kind.recipients, using: &generator) {
            let recipient = "user\(Int.random(in: 1...mailboxes, using: &generator))@\(domain)"
            if !recipients.contains(recipient) { recipients.append(recipient) }
            if generator.chance(0.5) { domain = skew.pick(using: &generator) }
        }
        var content = ByteBuffer()
        content.writeString(
            """
            From: <\(kind.sender)>\r
            To: \(recipients.map { "<\($0)>" }.joined(separator: ",\r\n\t"))\r
            Subject: \(kind.subject) (\(count))\r
            Date: \(DateHeader.format(date))\r
            Message-ID: <\(id)@\(kind.sender.drop { $0 != "@" }.dropFirst())>\r
            X-Testbed-ID: \(id)\r
            MIME-Version: 1.0\r
            Content-Type: text/plain; charset=us-ascii\r
            \r

            """)
        let size = Int.random(in: kind.size, using: &generator)
        if let body = text.getSlice(at: 0, length: size),
            let end = body.readableBytesView.lastIndex(of: UInt8(ascii: "\n"))
        {
            content.writeBytes(body.readableBytesView[...end])
        }
        return GeneratedMail(
            id: id, sender: kind.sender, recipients: recipients, content: content)
    }

    private mutating func pickKind() -> Kind {
        let total = Self.kinds.reduce(0) { $0 + $1.weight }
        var target = Int.random(in: 0..<total, using: &generator)
        for kind in Self.kinds {
            target -= kind.weight
            if target < 0 { return kind }
        }
        return Self.kinds[0]
    }

    /// 64 KiB of lines of up to 76 characters, a few of which begin with a dot.
    private static func text(using generator: inout SplitMix64) -> ByteBuffer {
        var text = ByteBuffer()
        while text.readableBytes < 65_536 {
            var line = generator.chance(0.02) ? ".well, " : ""
            while line.utf8.count < 66 {
                let length = Int.random(in: 2...9, using: &generator)
                for _ in 0..<length {
                    let letter = UInt8.random(in: 97...122, using: &generator)
                    line.unicodeScalars.append(Unicode.Scalar(letter))
                }
                line += " "
            }
            text.writeString(line.dropLast() + "\r\n")
        }
        return text
    }
}
