import NIOEmbedded
import Testing

@testable import SMTP

/// A connection that has to ask whether it may go on.
@Suite struct LeasedConnectionTests {
    private func dialogue(
        body: String, _ answers: [Bool]
    ) throws -> (wire: ClientWire, said: String) {
        let wire = try ClientWire().greeted()
        var rest = answers
        wire.connection.mayGoOn = { rest.isEmpty ? false : rest.removeFirst() }
        wire.connection.deliver(transaction(body: body))
        _ = try wire.said()
        try wire.hear("250 OK\r\n250 OK\r\n")
        var said = try wire.hear("354 Go\r\n")
        wire.channel.embeddedEventLoop.run()
        said += try wire.said()
        return (wire, said)
    }

    private let small = "Subject: x\r\n\r\nHello\r\n"
    private let large =
        "Subject: x\r\n\r\n" + String(repeating: "0123456789\r\n", count: 40_000)

    @Test func itIsAskedBeforeAMessageAndBeforeTheEndOfALargeOne() throws {
        let first = try dialogue(body: small, [true])
        #expect(first.said == small + ".\r\n")
        let second = try dialogue(body: large, [true, true])
        #expect(second.said == large + ".\r\n")
        try second.wire.hear("250 OK\r\n")
        #expect(second.wire.client.results.first?.dotSent == true)
    }

    @Test func nothingIsSentWhereItMayNot() throws {
        let (wire, said) = try dialogue(body: small, [false])
        #expect(said == "")
        #expect(wire.client.results.first?.dotSent == false)
        #expect(wire.client.closings.count == 1 && !wire.channel.isActive)
    }

    @Test func aLargeOneStaysWithoutItsEnd() throws {
        let (wire, said) = try dialogue(body: large, [true, false])
        #expect(said == large)
        #expect(wire.client.results.first?.dotSent == false)
        #expect(wire.client.closings.count == 1 && !wire.channel.isActive)
    }
}
