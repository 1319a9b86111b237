import Testing

@testable import Spool

@Suite("Text coding")
struct TextCodingTests {
    @Test(arguments: [
        [], [""], ["", ""], ["a"], ["a", "b"], ["tab\t", "line\n", "nul\0", "sub\u{1A}n", "\r\n"],
        ["\u{301}combining", "\u{1F600}"], ["\n"], ["\u{1A}"],
    ])
    func lines(_ texts: [String]) {
        let coded = TextCoding.lines(texts)
        #expect(TextCoding.lines(from: Substring(coded).utf8) == texts)
        #expect(coded.utf8.filter { $0 == 0x0A }.count == texts.count)
    }

    @Test(arguments: [
        [],
        [StoredRecipient(address: "a@b")],
        [StoredRecipient(address: ""), StoredRecipient(address: "\u{301}@b")],
        [
            StoredRecipient(address: "a@b", lastReply: "250-multi\n250 line\t\0\u{1A}"),
            StoredRecipient(address: "\"a\\\"b\"@c"),
            StoredRecipient(address: "d@e", notify: "FAILURE,DELAY", originalRecipient: "x;y"),
        ],
    ])
    func recipients(_ recipients: [StoredRecipient]) {
        var addresses: [UInt8] = []
        var attributes: [UInt8] = []
        TextCoding.appendAddresses(recipients, to: &addresses)
        TextCoding.appendAttributes(recipients, to: &attributes)
        #expect(
            TextCoding.recipients(
                addresses: String(decoding: addresses, as: UTF8.self),
                attributes: String(decoding: attributes, as: UTF8.self)) == recipients)
    }

    @Test func plainRecipientsNeedNoAttributes() {
        var attributes: [UInt8] = []
        TextCoding.appendAttributes([StoredRecipient(address: "a@b")], to: &attributes)
        #expect(attributes.isEmpty)
    }

    @Test(arguments: [
        ("421 4.7.0 later", 421), ("250-x", 250), ("550", 550), ("42", 0), ("4210", 0),
        ("connection refused", 0), ("", 0), ("55x", 0), ("550x", 0),
    ])
    func codes(_ reply: String, _ code: Int64) {
        #expect(DeliveryRow.code(ofReply: reply) == code)
    }
}
