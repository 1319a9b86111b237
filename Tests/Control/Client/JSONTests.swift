import Control
import Filter
import Mail
import NIOCore
import Testing

@Suite struct JSONTests {
    @Test func printableEscapesWhatActsOnTerminals() throws {
        let text = "a\u{1B}[2J\u{7F}\u{9B}\u{202E}\u{200D}é\u{E0041}/\n"
        let printed = try JSON.printable([text], indented: false)
        #expect(
            printed == #"["a\u001b[2J\u007f\u009b\u202e\u200dé\udb40\udc41/\n"]"#)
        let back: [String] = try JSON.decode(from: ByteBuffer(string: printed))
        #expect(back == [text])
    }

    @Test func rowsComeBack() throws {
        var row = DestinationRow(id: "7", key: 0xCBF4_3926, name: "example.com")
        row.nextAttemptAt = UnixTime(milliseconds: 1_234)
        row.tokens = 0.5
        let buffer = try JSON.encode(row)
        let back: DestinationRow = try JSON.decode(from: buffer)
        #expect(back.id == "7" && back.key == row.key && back.tokens == 0.5)
        #expect(back.nextAttemptAt == row.nextAttemptAt && back.worker == nil)
    }

    /// The filter language knows the states that the API gives.
    @Test func statesAreFields() {
        #expect(FilterFields.destinationStates == DestinationState.allCases.map(\.rawValue))
        #expect(FilterFields.messageStates == DeliveryState.allCases.map(\.rawValue))
    }
}
