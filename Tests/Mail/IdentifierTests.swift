import Testing

@testable import Mail

@Suite struct IdentifierTests {
    @Test func textForms() {
        let message = MessageID(rawValue: 0x1A2B)
        #expect(message.description == "1a2b")
        #expect(MessageID(text: "1A2b") == message)
        let delivery = DeliveryID(message: message, ordinal: 17)
        #expect(delivery.description == "1a2b.17")
        #expect(DeliveryID(text: "1a2b.17") == delivery)
        #expect(delivery.message == message && delivery.ordinal == 17)
        #expect(DeliveryID(message: message, ordinal: .max).message == message)
    }

    @Test(arguments: ["", "0", "-1", "xyz", "800000000000", "1a2b.", ".1", "1a2b.65536", "1.2.3"])
    func malformed(text: String) {
        if !text.contains(".") { #expect(MessageID(text: text) == nil) }
        #expect(DeliveryID(text: text) == nil)
    }
}
