import Mail
import NIOCore
import Testing

@testable import SMTP

/// A client session and a server session, wired to each other, the wire cut at random.
@Suite struct SessionLoopTests {
    private struct Loop {
        var client: ClientSession
        var server: ServerSession
        var random: Random
        /// Takes the offer out of the reply to EHLO.
        let pipelining: Bool
        var refused: Set<String> = []
        var received: [ReceivedMessage] = []
        var results: [TransactionResult] = []
        var toServer: [UInt8] = []
        var toClient: [UInt8] = []
        var work: [ClientTransaction]
        private let now = NIODeadline.now()
        private var nextID: Int64 = 0

        init(seed: UInt64, pipelining: Bool, work: [ClientTransaction]) {
            random = Random(seed: seed)
            self.pipelining = pipelining
            self.work = work
            client = ClientSession(
                helo: "me.test", tls: .opportunistic, timeouts: ClientTimeouts(), at: now)
            server = ServerSession(
                peer: Peer(address: "192.0.2.7", port: 1, localName: "mx.test"),
                limits: ServerLimits(), offersTLS: false)
        }

        mutating func run() {
            server.greet()
            client.connected(at: now)
            for _ in 0..<1_000_000 {
                let served = serve()
                let asked = ask()
                if !served && !asked && toServer.isEmpty && toClient.isEmpty { return }
            }
            Issue.record("no end")
        }

        private static func piece(
            _ bytes: inout [UInt8], _ random: inout Random
        ) -> ByteBuffer {
            let count = Int.random(in: 0...min(bytes.count, 50), using: &random)
            defer { bytes.removeFirst(count) }
            return ByteBuffer(bytes: bytes.prefix(count))
        }

        private mutating func serve() -> Bool {
            server.receive(Self.piece(&toServer, &random))
            var acted = false
            loop: while true {
                switch server.next() {
                case .wait: break loop
                case .recipient(let address):
                    server.answerRecipient(
                        refused.contains(address.text)
                            ? Reply(550, EnhancedCode(5, 1, 1), "No") : nil)
                case .begin:
                    nextID += 1
                    server.answerBegin(
                        .accept(buffer: ByteBuffer(), id: MessageID(rawValue: nextID)))
                case .message(let message):
                    received.append(message)
                    server.finish(Reply(250, EnhancedCode(2, 0, 0), "OK \(message.id)"))
                case .abandoned, .startTLS: Issue.record("unexpected")
                case .close: acted = true
                }
                acted = true
            }
            if let output = server.takeOutput() {
                var text = output.text
                if !pipelining { text = text.replacing("250-PIPELINING\r\n", with: "") }
                toClient += Array(text.utf8)
                acted = true
            }
            return acted
        }

        private mutating func ask() -> Bool {
            client.receive(Self.piece(&toClient, &random))
            var acted = false
            loop: while true {
                switch client.next(at: now) {
                case .wait: break loop
                case .ready: deliverNext()
                case .finished(let result):
                    results.append(result)
                    deliverNext()
                case .startTLS: Issue.record("no TLS was offered")
                case .close(let error): #expect(error == nil)
                }
                acted = true
            }
            if let output = client.takeOutput() {
                toServer += Array(output.commands.readableBytesView)
                if let message = output.message {
                    let wire = output.needsStuffing ? DotStuffing.apply(to: message) : message
                    toServer += Array(wire.readableBytesView)
                    if !DotStuffing.endsItsLine(message) { toServer += [13, 10] }
                    toServer += [46, 13, 10]
                    client.messageWritten()
                }
                acted = true
            }
            return acted
        }

        private mutating func deliverNext() {
            if work.isEmpty {
                client.quit()
            } else {
                client.deliver(work.removeFirst(), at: now)
            }
        }
    }

    @Test(arguments: [true, false])
    func everyMessageArrivesAsItWasSent(pipelining: Bool) {
        var random = Random(seed: 7)
        let parts = [".", "..", "\r\n", "\r\n", "text ", "Ünï", String(repeating: "z", count: 90)]
        for round in 0..<150 {
            var work: [ClientTransaction] = []
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                var body = ""
                for _ in 0..<Int.random(in: 0...30, using: &random) {
                    body += parts[Int.random(in: 0..<parts.count, using: &random)]
                }
                if !body.isEmpty, !body.hasSuffix("\r\n") { body += "\r\n" }
                let dots = body.split(separator: "\r\n", omittingEmptySubsequences: false)
                    .contains { $0.hasPrefix(".") }
                let recipients = (0..<Int.random(in: 1...6, using: &random)).map { "r\($0)@b.test" }
                work.append(transaction(to: recipients, body: body, dots: dots))
            }
            var loop = Loop(seed: UInt64(round), pipelining: pipelining, work: work)
            loop.refused = Set(
                (0..<6).filter { _ in Bool.random(using: &random) }.map { "r\($0)@b.test" })
            loop.run()
            #expect(loop.results.count == work.count)
            var arrived = loop.received[...]
            for (request, result) in zip(work, loop.results) {
                let accepted = request.recipients.filter { !loop.refused.contains($0.address) }
                for (recipient, outcome) in zip(request.recipients, result.outcomes) {
                    if loop.refused.contains(recipient.address) {
                        #expect(
                            outcome == .failed(Reply(550, EnhancedCode(5, 1, 1), "No"), .rcpt))
                    } else if case .delivered(let reply) = outcome {
                        #expect(reply.text == "250 2.0.0 OK \(arrived.first?.id.description ?? "")")
                    } else {
                        Issue.record("\(outcome)")
                    }
                }
                #expect(result.reusable && result.dotSent == !accepted.isEmpty)
                guard !accepted.isEmpty, let message = arrived.popFirst() else { continue }
                #expect(message.body == request.body)
                #expect(message.hasLeadingDots == request.hasLeadingDots)
                #expect(
                    message.envelope.recipients.map(\.address.text) == accepted.map(\.address))
            }
            #expect(arrived.isEmpty)
        }
    }
}
