import Mail
import NIOCore
import NIOEmbedded
import Testing

@testable import SMTP

/// SplitMix64: the same numbers every time.
struct Random: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// `bytes` in pieces of 1 to `longest`.
    mutating func pieces(_ bytes: [UInt8], longest: Int) -> [[UInt8]] {
        var rest = bytes[...]
        var output: [[UInt8]] = []
        while !rest.isEmpty {
            let count = min(rest.count, Int.random(in: 1...longest, using: &self))
            output.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return output
    }
}

extension ByteBuffer {
    var text: String { String(buffer: self) }
}

/// Accepts everything unless told otherwise, and remembers it.
final class Intake: IntakeDelegate {
    var refusesConnection: Reply?
    /// By address.
    var refusals: [String: Reply] = [:]
    var refusesData: Reply?
    var header = ""
    /// Keeps the replies back in `held`.
    var holds = false
    var verdict = Reply(250, EnhancedCode(2, 0, 0), "Queued")

    var admitted: [Peer] = []
    var begun: [(envelope: Envelope, peer: Peer)] = []
    var messages: [ReceivedMessage] = []
    var held: [(Reply) -> Void] = []
    var abandoned: [MessageID] = []
    var closed: [Peer] = []
    private var lastID: Int64 = 0

    func admit(_ peer: Peer) -> Reply? {
        admitted.append(peer)
        return refusesConnection
    }

    func recipient(_ address: EmailAddress, sender: String, peer: Peer) -> Reply? {
        refusals[address.text]
    }

    func begin(_ envelope: Envelope, peer: Peer) -> IntakeStart {
        begun.append((envelope, peer))
        if let refusesData { return .refuse(refusesData) }
        lastID += 1
        return .accept(buffer: ByteBuffer(string: header), id: MessageID(rawValue: lastID))
    }

    func message(_ message: ReceivedMessage, reply: @escaping (Reply) -> Void) {
        messages.append(message)
        if holds {
            held.append(reply)
        } else {
            reply(verdict)
        }
    }

    func abandoned(_ id: MessageID) { abandoned.append(id) }
    func closed(_ peer: Peer) { closed.append(peer) }

    var bodies: [String] { messages.map(\.body.text) }
}

/// A server handler on a channel without a network.
struct ServerWire {
    let channel = EmbeddedChannel()
    let intake: Intake
    let handler: ServerHandler

    init(
        intake: Intake = Intake(), limits: ServerLimits = ServerLimits(),
        address: String = "192.0.2.7"
    ) throws {
        self.intake = intake
        handler = ServerHandler(hostname: "mx.test", limits: limits, delegate: intake)
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.connect(to: SocketAddress(ipAddress: address, port: 40_000)).wait()
    }

    /// Sends `text` and returns everything that is answered.
    @discardableResult
    func say(_ text: String) throws -> String {
        try say(Array(text.utf8))
    }

    @discardableResult
    func say(_ bytes: [UInt8]) throws -> String {
        if channel.isActive { try channel.writeInbound(ByteBuffer(bytes: bytes)) }
        return try heard()
    }

    func heard() throws -> String {
        var output = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { output += buffer.text }
        return output
    }

    /// Past the greeting and EHLO.
    func greeted() throws -> ServerWire {
        try say("EHLO client.test\r\n")
        return self
    }

    static let transaction = "MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n"
}

extension String {
    /// The codes of its lines: "250 354".
    var codes: String {
        split(separator: "\r\n").map { $0.prefix(3) }.joined(separator: " ")
    }
}

/// Remembers what a client connection reports.
final class Client: ClientConnectionDelegate {
    var readyCount = 0
    var results: [TransactionResult] = []
    var closings: [ClientError?] = []
    var trace: [String] = []
    var onReady: ((ClientConnection) -> Void)?
    var onFinished: ((ClientConnection, TransactionResult) -> Void)?
    var onClosed: (() -> Void)?

    func ready(_ connection: ClientConnection) {
        readyCount += 1
        onReady?(connection)
    }

    func finished(_ connection: ClientConnection, _ result: TransactionResult) {
        #expect(closings.isEmpty, "finished after closed")
        results.append(result)
        onFinished?(connection, result)
    }

    func closed(_ connection: ClientConnection, _ error: ClientError?) {
        closings.append(error)
        onClosed?()
    }

    func traced(_ connection: ClientConnection, direction: TraceDirection, line: String) {
        trace.append("\(direction.rawValue) \(line)")
    }
}

/// A client connection on a channel without a network; the test plays the server.
struct ClientWire {
    let channel = EmbeddedChannel()
    let client = Client()
    let connection: ClientConnection

    init(options: ClientOptions = ClientOptions(helo: "me.test"), tracing: Bool = false) throws {
        connection = try ClientConnection.adopt(
            channel, remote: "192.0.2.1:25", options: options, delegate: client)
        connection.tracing = tracing
        try channel.connect(to: SocketAddress(ipAddress: "192.0.2.1", port: 25)).wait()
    }

    /// The server says `text`; returns what the client sends then.
    @discardableResult
    func hear(_ text: String) throws -> String {
        if channel.isActive { try channel.writeInbound(ByteBuffer(string: text)) }
        return try said()
    }

    func said() throws -> String {
        var output = ""
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { output += buffer.text }
        return output
    }

    /// Greeted, with a reply to EHLO that names `extensions`.
    func greeted(_ extensions: [String] = ["PIPELINING"]) throws -> ClientWire {
        #expect(try hear("220 mx.test\r\n") == "EHLO me.test\r\n")
        var lines = ["mx.test"] + extensions
        let last = lines.removeLast()
        try hear(lines.map { "250-\($0)\r\n" }.joined() + "250 \(last)\r\n")
        #expect(client.readyCount == 1)
        return self
    }
}

func transaction(
    to recipients: [String] = ["b@b.test"], body: String = "Subject: x\r\n\r\nHello\r\n",
    dots: Bool = false
) -> ClientTransaction {
    ClientTransaction(
        sender: "a@a.test", recipients: recipients.map { ClientRecipient(address: $0) },
        body: ByteBuffer(string: body), hasLeadingDots: dots)
}
