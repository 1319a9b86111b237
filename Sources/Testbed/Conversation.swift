package import NIOCore
import NIOPosix
package import NIOSSL

/// The client's side of an SMTP connection, line by line: for tests, and for traffic into a daemon.
package struct Conversation {
    private let channel: any Channel
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var received = ByteBuffer()
    /// The final dot was sent and not answered: if the connection ends now, nobody but the server
    /// knows whether it has the message.
    package private(set) var awaitsVerdict = false

    package struct Reply: Sendable, Hashable, CustomStringConvertible {
        package var code: Int
        /// What follows the code on each line.
        package var lines: [String]

        package var description: String { "\(code) \(lines.joined(separator: " / "))" }
    }

    /// Connects, runs `body`, closes. Throws what `body` throws, or why there was no connection.
    package static func with<Result>(
        host: String, port: Int, group: any EventLoopGroup,
        _ body: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: group)
            .connectTimeout(.seconds(10))
            .connect(host: host, port: port, channelInitializer: wrap)
        return try await with(channel, body)
    }

    /// The same over a socket that is connected already; it is closed here.
    package static func with<Result>(
        socket: CInt, group: any EventLoopGroup,
        _ body: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        let channel = try await ClientBootstrap(group: group)
            .withConnectedSocket(socket, channelInitializer: wrap)
        return try await with(channel, body)
    }

    private typealias Wrapped = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private static func wrap(_ channel: any Channel) -> EventLoopFuture<Wrapped> {
        channel.eventLoop.makeCompletedFuture {
            try Wrapped(wrappingChannelSynchronously: channel)
        }
    }

    private static func with<Result>(
        _ channel: Wrapped, _ body: (inout Conversation) async throws -> Result
    ) async throws -> Result {
        try await channel.executeThenClose { inbound, outbound in
            var conversation = Conversation(
                channel: channel.channel, inbound: inbound.makeAsyncIterator(),
                outbound: outbound)
            return try await body(&conversation)
        }
    }

    private init(
        channel: any Channel, inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.channel = channel
        self.inbound = inbound
        self.outbound = outbound
    }

    /// Reads one reply, all its lines. Throws `TestbedError.connectionClosed` at the end.
    package mutating func reply() async throws -> Reply {
        var lines: [String] = []
        while true {
            let line = try await self.line()
            guard let code = Int(line.prefix(3)), line.count >= 3 else {
                throw TestbedError.malformedReply(line)
            }
            lines.append(String(line.dropFirst(4)))
            if line.dropFirst(3).first != "-" {
                return Reply(code: code, lines: lines)
            }
        }
    }

    /// Sends one or more commands as they are, CRLF added to each.
    package func send(_ commands: String...) async throws {
        try await send(ByteBuffer(string: commands.map { $0 + "\r\n" }.joined()))
    }

    package func send(_ bytes: ByteBuffer) async throws {
        try await outbound.write(bytes)
    }

    /// Sends one command and reads its reply.
    package mutating func command(_ command: String) async throws -> Reply {
        try await send(command)
        return try await reply()
    }

    /// Says STARTTLS and, after the 220, hands the connection to TLS; EHLO has to come again.
    package mutating func startTLS(_ context: NIOSSLContext) async throws {
        let reply = try await command("STARTTLS")
        guard reply.code == 220 else { throw TestbedError.refused("STARTTLS", "\(reply)") }
        let channel = self.channel
        try await channel.eventLoop.submit {
            try channel.pipeline.syncOperations.addHandler(
                NIOSSLClientHandler(context: context, serverHostname: nil), position: .first)
        }.get()
    }

    /// Reads the greeting and says EHLO. Throws `TestbedError.refused` if either is declined.
    package mutating func greet(as name: String) async throws {
        let greeting = try await reply()
        guard greeting.code == 220 else { throw TestbedError.refused("greeting", "\(greeting)") }
        let reply = try await command("EHLO \(name)")
        guard reply.code == 250 else { throw TestbedError.refused("EHLO", "\(reply)") }
    }

    /// How the other end answered a message.
    package enum Outcome: Sendable {
        /// Taken for these recipients.
        case taken([String])
        /// Nothing of it was taken; the reply that decided it.
        case refused(Reply)
    }

    /// Sends a message in one transaction, commands pipelined (RFC 2920).
    ///
    /// - Parameter content: With CRLF line ends, the last one included; not dot-stuffed.
    package mutating func send(
        from sender: String, to recipients: [String], _ content: ByteBuffer
    ) async throws -> Outcome {
        var commands = "MAIL FROM:<\(sender)>\r\n"
        for recipient in recipients {
            commands += "RCPT TO:<\(recipient)>\r\n"
        }
        try await send(ByteBuffer(string: commands + "DATA\r\n"))
        let mail = try await reply()
        var taken: [String] = []
        var refusal = mail
        for recipient in recipients {
            let answer = try await reply()
            if answer.code == 250 { taken.append(recipient) } else { refusal = answer }
        }
        let data = try await reply()
        guard data.code == 354 else {
            _ = try await command("RSET")
            return .refused(mail.code != 250 ? mail : taken.isEmpty ? refusal : data)
        }
        awaitsVerdict = true
        try await send(Self.stuffed(content))
        let end = try await reply()
        awaitsVerdict = false
        return end.code == 250 ? .taken(taken) : .refused(end)
    }

    /// Doubles the dots at the starts of lines and appends the final dot (RFC 5321 §4.5.2).
    static func stuffed(_ content: ByteBuffer) -> ByteBuffer {
        var rest = content
        var stuffed = ByteBuffer()
        stuffed.reserveCapacity(content.readableBytes + 64)
        while rest.readableBytes > 0 {
            let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n"))
            let length = end.map { $0 - rest.readerIndex + 1 } ?? rest.readableBytes
            guard var line = rest.readSlice(length: length) else { break }
            if line.readableBytesView.first == UInt8(ascii: ".") { stuffed.writeString(".") }
            stuffed.writeBuffer(&line)
        }
        stuffed.writeString(".\r\n")
        return stuffed
    }

    private mutating func line() async throws -> String {
        while true {
            if let end = received.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
                var line = received.readString(length: end - received.readerIndex) ?? ""
                received.moveReaderIndex(forwardBy: 1)
                if line.last == "\r" { line.removeLast() }
                return line
            }
            guard var more = try await inbound.next() else { throw TestbedError.connectionClosed }
            received.writeBuffer(&more)
        }
    }
}
