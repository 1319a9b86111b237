import Mail
import NIOCore
import NIOEmbedded
import Testing

@testable import SMTP

@Suite struct ClientTimeoutTests {
    /// What the server has said, how long it may then be silent, and where it stopped.
    @Test(arguments: [
        ([], 300, Stage.greeting),
        (["220 hi"], 300, .ehlo),
        (["220 hi", "250-x\r\n250 PIPELINING"], 300, .mail),
        (["220 hi", "250-x\r\n250 PIPELINING", "250 OK"], 300, .rcpt),
        (["220 hi", "250-x\r\n250 PIPELINING", "250 OK", "250 OK"], 120, .data),
        (["220 hi", "250-x\r\n250 PIPELINING", "250 OK", "250 OK", "354 Go"], 600, .dot),
    ])
    func stages(script: [String], seconds: Int, stage: Stage) throws {
        let wire = try ClientWire()
        wire.client.onReady = { $0.deliver(transaction()) }
        for line in script { try wire.hear(line + "\r\n") }
        let loop = wire.channel.embeddedEventLoop
        loop.advanceTime(by: .seconds(Int64(seconds)) - .milliseconds(1))
        #expect(wire.client.closings.isEmpty)
        loop.advanceTime(by: .milliseconds(1))
        #expect(wire.client.closings.map { $0?.stage } == [stage])
        #expect(!wire.channel.isActive)
        if script.count > 1 {
            let result = try #require(wire.client.results.first)
            guard case .deferred(let reply, stage) = result.outcomes[0] else {
                Issue.record("\(result.outcomes)")
                return
            }
            #expect(reply.text.contains("Timeout"))
            #expect(result.dotSent == (stage == .dot))
        }
    }

    @Test func everyReplyRestartsTheClock() throws {
        let wire = try ClientWire().greeted()
        wire.connection.deliver(transaction())
        let loop = wire.channel.embeddedEventLoop
        loop.advanceTime(by: .seconds(299))
        try wire.hear("250 OK\r\n")
        loop.advanceTime(by: .seconds(299))
        try wire.hear("250 OK\r\n")
        loop.advanceTime(by: .seconds(119))
        try wire.hear("354 Go\r\n")
        loop.advanceTime(by: .seconds(599))
        try wire.hear("250 OK\r\n")
        #expect(wire.client.results.count == 1)
        // Idle, it waits for us, not for the server.
        loop.advanceTime(by: .hours(24))
        #expect(wire.client.closings.isEmpty)
        let timings = wire.client.results[0].timings
        #expect(timings.mail == 717_000 && timings.data == 599_000)
    }

    @Test func settable() throws {
        var timeouts = ClientTimeouts()
        timeouts.greeting = .milliseconds(10)
        let wire = try ClientWire(options: ClientOptions(helo: "me.test", timeouts: timeouts))
        wire.channel.embeddedEventLoop.advanceTime(by: .milliseconds(10))
        #expect(wire.client.closings.count == 1)
    }

    @Test func quitIsNotWaitedForLong() throws {
        let wire = try ClientWire().greeted()
        wire.connection.quit()
        wire.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(wire.client.closings == [nil])
    }

    /// A network that takes nothing: each block has its own time.
    @Test func blocks() throws {
        let stuck = StuckNetwork()
        let channel = EmbeddedChannel()
        let client = Client()
        try channel.pipeline.syncOperations.addHandler(stuck)
        let connection = try ClientConnection.adopt(
            channel, remote: "x", options: ClientOptions(helo: "me.test"), delegate: client)
        try channel.connect(to: SocketAddress(ipAddress: "::1", port: 25)).wait()
        for line in ["220 hi\r\n", "250 x\r\n"] {
            try channel.writeInbound(ByteBuffer(string: line))
        }
        connection.deliver(transaction(body: String(repeating: "x", count: 600_000) + "\r\n"))
        for line in ["250 OK\r\n", "250 OK\r\n"] {
            try channel.writeInbound(ByteBuffer(string: line))
        }
        stuck.isStuck = true
        try channel.writeInbound(ByteBuffer(string: "354 Go\r\n"))
        for _ in 0..<2 {
            channel.embeddedEventLoop.advanceTime(by: .seconds(179))
            stuck.release()
            #expect(connection.phase == "message" && client.closings.isEmpty)
        }
        channel.embeddedEventLoop.advanceTime(by: .seconds(180))
        let result = try #require(client.results.first)
        #expect(!result.dotSent)
        #expect(client.closings.map { $0?.stage } == [.data])
    }

    private final class StuckNetwork: ChannelOutboundHandler {
        typealias OutboundIn = ByteBuffer
        var isStuck = false
        private var promises: [EventLoopPromise<Void>?] = []

        func write(
            context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
        ) {
            if isStuck {
                promises.append(promise)
            } else {
                context.write(data, promise: promise)
            }
        }

        func release() {
            if !promises.isEmpty { promises.removeFirst()?.succeed() }
        }

        func handlerRemoved(context: ChannelHandlerContext) {
            for promise in promises { promise?.fail(ChannelError.ioOnClosedChannel) }
        }
    }
}
