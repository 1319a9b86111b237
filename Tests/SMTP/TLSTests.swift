import Mail
import NIOCore
import NIOEmbedded
import NIOSSL
import Testing

@testable import SMTP

/// A self-signed certificate for mx.test, made for these tests and used nowhere else.
enum TestCertificate {
    private static let pem = """
        -----BEGIN CERTIFICATE-----
        MIIBjzCCATWgAwIBAgIUNyslYPPCu5UvFQuzVRE5tUc49FcwCgYIKoZIzj0EAwIw
        EjEQMA4GA1UEAwwHbXgudGVzdDAgFw0yNjExMjMyMzQzMDRaGA8yMTI2MTAzMDIz
        NDMwNFowEjEQMA4GA1UEAwwHbXgudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEH
        A0IABPFGKEhCjWiE48vYyE4fULwhKcJXrJKwjinCh9rnS5RTWSv7YdHZRoJol2yi
        EOFUWK/BhY56tu85AgMlT2X8NhGjZzBlMB0GA1UdDgQWBBSGX5DRZNcDV1R3FQ6I
        IwF4EcAFGzAfBgNVHSMEGDAWgBSGX5DRZNcDV1R3FQ6IIwF4EcAFGzAPBgNVHRMB
        Af8EBTADAQH/MBIGA1UdEQQLMAmCB214LnRlc3QwCgYIKoZIzj0EAwIDSAAwRQIh
        AKBuKVr24SjlmiaEQAWBgbQmYN+Y7YYZMKi+08XzkyLGAiA9Xee560DzaIVSQDEY
        Gk9cIRabJLYmXu7lFgfK+ofWTg==
        -----END CERTIFICATE-----
        """
    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg1si/fjgSLa6QO2CY
        HU3KGS6JaHLf+FtirHvDcbxZ5ByhRANCAATxRihIQo1ohOPL2MhOH1C8ISnCV6yS
        sI4pwofa50uUU1kr+2HR2UaCaJdsohDhVFivwYWOerbvOQIDJU9l/DYR
        -----END PRIVATE KEY-----
        """

    static func serverContext() throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))
        return try NIOSSLContext(
            configuration: .makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) },
                privateKey: .privateKey(NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))))
    }
}

@Suite struct TLSTests {
    /// Two channels whose bytes are carried across until nothing moves.
    private struct Pair {
        let server = EmbeddedChannel()
        let client = EmbeddedChannel()
        let intake = Intake()
        let delegate = Client()
        let connection: ClientConnection

        init(mode: TLSMode = .opportunistic, serverTLS: Bool = true) throws {
            try server.pipeline.syncOperations.addHandler(
                ServerHandler(
                    hostname: "mx.test",
                    tlsContext: serverTLS ? TestCertificate.serverContext() : nil,
                    delegate: intake))
            connection = try ClientConnection.adopt(
                client, remote: "x",
                options: ClientOptions(
                    helo: "me.test", tls: mode, tlsContext: TLSContexts.opportunistic(),
                    serverName: "mx.test"), delegate: delegate)
            try server.connect(to: SocketAddress(ipAddress: "192.0.2.7", port: 1)).wait()
            try client.connect(to: SocketAddress(ipAddress: "192.0.2.1", port: 25)).wait()
            try pump()
        }

        func pump() throws {
            var moved = true
            while moved {
                moved = false
                while let bytes = try server.readOutbound(as: ByteBuffer.self) {
                    moved = true
                    if client.isActive { try client.writeInbound(bytes) }
                }
                while let bytes = try client.readOutbound(as: ByteBuffer.self) {
                    moved = true
                    if server.isActive { try server.writeInbound(bytes) }
                }
            }
        }
    }

    @Test func messagesUnderTLS() throws {
        let pair = try Pair()
        #expect(pair.delegate.readyCount == 1)
        #expect(pair.connection.tls?.version == "TLSv1.3")
        pair.connection.deliver(transaction(body: "..x\r\n.\r\n", dots: true))
        try pair.pump()
        #expect(pair.intake.bodies == ["..x\r\n.\r\n"])
        #expect(pair.intake.messages.first?.peer.protocolName == "ESMTPS")
        #expect(pair.delegate.results.first?.dotSent == true)
        pair.connection.quit()
        try pair.pump()
        #expect(pair.delegate.closings == [nil])
        #expect(pair.intake.closed.count == 1)
    }

    @Test func plainWhereItIsNotOffered() throws {
        let pair = try Pair(serverTLS: false)
        #expect(pair.delegate.readyCount == 1 && pair.connection.tls == nil)
        let required = try Pair(mode: .required, serverTLS: false)
        #expect(required.delegate.readyCount == 0)
        #expect(required.delegate.closings.map { $0?.stage } == [.tls])
    }

    private func options(_ mode: TLSMode) throws -> ClientOptions {
        ClientOptions(helo: "me.test", tls: mode, tlsContext: try TLSContexts.opportunistic())
    }

    private func upToSTARTTLS(_ mode: TLSMode = .opportunistic) throws -> ClientWire {
        let wire = try ClientWire(options: options(mode))
        try wire.hear("220 hi\r\n")
        #expect(try wire.hear("250-x\r\n250 STARTTLS\r\n") == "STARTTLS\r\n")
        return wire
    }

    @Test func refusedSTARTTLS() throws {
        let wire = try upToSTARTTLS()
        try wire.hear("454 Not now\r\n")
        #expect(wire.client.readyCount == 1)
        let required = try upToSTARTTLS(.required)
        try required.hear("454 Not now\r\n")
        #expect(required.client.closings[0]?.stage == .tls)
        #expect(required.client.closings[0]?.reply?.code == 454)
    }

    @Test func failedHandshake() throws {
        let wire = try upToSTARTTLS()
        try wire.hear("220 Go\r\n")
        _ = try? wire.hear("this is no TLS, whatever else it is\r\n")
        #expect(wire.client.readyCount == 0)
        #expect(wire.client.closings.map { $0?.stage } == [.tls])
    }

    @Test func closedInTheHandshake() throws {
        let wire = try upToSTARTTLS()
        try wire.hear("220 Go\r\n")
        _ = try? wire.channel.close().wait()
        #expect(wire.client.closings.map { $0?.stage } == [.tls])
        let slow = try upToSTARTTLS()
        try slow.hear("220 Go\r\n")
        slow.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(slow.client.closings.map { $0?.stage } == [.tls])
    }

    /// Bytes in clear behind the 220 are not the server's.
    @Test func injectedReplies() throws {
        let wire = try upToSTARTTLS()
        try wire.hear("220 Go\r\n250-evil\r\n250 PIPELINING\r\n")
        #expect(wire.client.readyCount == 0)
        #expect(wire.client.closings.map { $0?.stage } == [.tls])
        let half = try upToSTARTTLS()
        try half.hear("220 Go\r\n250-ev")
        #expect(half.client.closings.map { $0?.stage } == [.tls])
    }

    /// Commands in clear behind STARTTLS are not carried over into TLS (CVE-2011-0411).
    @Test func injectedCommands() throws {
        let intake = Intake()
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandler(
            ServerHandler(
                hostname: "mx.test", tlsContext: TestCertificate.serverContext(), delegate: intake))
        try channel.connect(to: SocketAddress(ipAddress: "192.0.2.7", port: 1)).wait()
        try channel.writeInbound(
            ByteBuffer(string: "EHLO x\r\nSTARTTLS\r\nMAIL FROM:<evil@a.test>\r\n"))
        var heard = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { heard += bytes.text }
        #expect(heard.hasSuffix("503 5.5.1 Commands behind STARTTLS, closing\r\n"))
        #expect(!channel.isActive)
    }

    @Test func whatWasSaidInClearIsForgotten() throws {
        var session = ServerSession(
            peer: Peer(address: "", port: 0, localName: "mx.test"), limits: ServerLimits(),
            offersTLS: true)
        session.greet()
        session.receive(ByteBuffer(string: "EHLO x\r\nMAIL FROM:<a@a.test>\r\nSTARTTLS\r\n"))
        guard case .startTLS = session.next() else {
            Issue.record("no STARTTLS")
            return
        }
        #expect(session.takeOutput()?.text.hasSuffix("220 2.0.0 Ready to start TLS\r\n") == true)
        session.receive(ByteBuffer(string: "MAIL FROM:<a@a.test>\r\nEHLO x\r\nSTARTTLS\r\n"))
        guard case .wait = session.next() else {
            Issue.record("STARTTLS twice")
            return
        }
        let heard = session.takeOutput()?.text ?? ""
        #expect(heard.hasPrefix("503 ") && !heard.contains("STARTTLS\r\n"))
        #expect(heard.hasSuffix("503 5.5.1 STARTTLS is not available\r\n"))
        #expect(session.peer.protocolName == "ESMTPS")
    }
}
