import Mail
import NIOCore
import NIOPosix
import NIOSSL
import Testbed
import Testing

@testable import SMTP

/// Both handlers on real sockets.
@Suite struct LoopbackTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()

    /// Runs `body` with a server on a free port of 127.0.0.1.
    private func withServer(
        limits: ServerLimits = ServerLimits(), tls: NIOSSLContext? = nil,
        _ body: (NIOLoopBound<Intake>, SocketAddress) async throws -> Void
    ) async throws {
        let loop = self.loop
        let intake = try await loop.submit { NIOLoopBound(Intake(), eventLoop: loop) }.get()
        let server = try await ServerBootstrap(group: loop)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ServerHandler(
                            hostname: "mx.test", limits: limits, tlsContext: tls,
                            delegate: intake.value))
                }
            }
            .bind(to: SocketAddress(ipAddress: "127.0.0.1", port: 0)).get()
        try await body(intake, #require(server.localAddress))
        try await server.close().get()
    }

    /// Delivers all of `work` over one connection, then quits.
    private func deliver(
        _ work: [ClientTransaction], to address: SocketAddress, options: ClientOptions
    ) async throws -> (results: [TransactionResult], error: ClientError?, tls: TLSInfo?) {
        let loop = self.loop
        typealias End = (results: [TransactionResult], error: ClientError?, tls: TLSInfo?)
        let done = loop.makePromise(of: End.self)
        loop.execute {
            let client = Client()
            var rest = work[...]
            var tls: TLSInfo?
            let next = { (connection: ClientConnection) in
                tls = connection.tls
                if let first = rest.popFirst() {
                    connection.deliver(first)
                } else {
                    connection.quit()
                }
            }
            client.onReady = next
            client.onFinished = { connection, _ in next(connection) }
            client.onClosed = { [unowned client] in
                done.succeed((client.results, client.closings[0], tls))
            }
            _ = ClientConnection.open(to: address, options: options, on: loop, delegate: client)
        }
        return try await done.futureResult.get()
    }

    @Test(arguments: [false, true])
    func largeAndSmallMessages(tls: Bool) async throws {
        let large = String(repeating: ".line of a large message\r\n", count: 100_000)
        let work = [
            transaction(body: large, dots: true), transaction(), transaction(body: ""),
        ]
        let context = tls ? try TestCertificate.serverContext() : nil
        try await withServer(tls: context) { intake, address in
            let end = try await deliver(
                work, to: address,
                options: ClientOptions(
                    helo: "me.test", tls: .opportunistic,
                    tlsContext: try TLSContexts.opportunistic()))
            #expect(end.error == nil)
            #expect((end.tls != nil) == tls)
            #expect(end.results.count == 3)
            for result in end.results {
                #expect(
                    result.outcomes == [
                        .delivered(Reply(250, EnhancedCode(2, 0, 0), "Queued"))
                    ])
                #expect(result.dotSent && result.reusable)
            }
            let bodies = try await loop.submit { intake.value.messages.map(\.body) }.get()
            #expect(bodies == work.map(\.body))
        }
    }

    @Test func refusedInTheMiddleOfAMessage() async throws {
        let limits = ServerLimits(maxMessageSize: 100_000)
        try await withServer(limits: limits) { intake, address in
            var work = transaction(
                body: String(repeating: "xxxxxxxx\r\n", count: 1_000_000), dots: false)
            // Says nothing of its size, so that it is refused on the way.
            work.size = 0
            let end = try await deliver(
                [work], to: address, options: ClientOptions(helo: "me.test"))
            let result = try #require(end.results.first)
            guard case .failed(let reply, .data) = result.outcomes[0] else {
                Issue.record("\(result.outcomes)")
                return
            }
            #expect(reply.code == 552 && !result.dotSent && !result.reusable)
        }
    }

    @Test func nobodyListens() async throws {
        let closed = try PortReservation(host: "127.0.0.1")
        defer { withExtendedLifetime(closed) {} }
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: closed.port)
        let end = try await deliver([], to: address, options: ClientOptions(helo: "me.test"))
        #expect(end.error == ClientError(stage: .connect, text: "Connection refused"))
    }

    @Test func localAddress() async throws {
        try await withServer { intake, address in
            let options = ClientOptions(
                helo: "me.test", localAddress: try SocketAddress(ipAddress: "127.0.0.9", port: 0))
            let end = try await deliver([transaction()], to: address, options: options)
            #expect(end.error == nil)
            let peer = try await loop.submit { intake.value.admitted.first }.get()
            #expect(peer?.address == "127.0.0.9")
        }
    }
}
