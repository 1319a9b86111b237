/// `[tls]`: of the mail that goes out.
package struct TLSSettings: Hashable, Sendable, Codable {
    package enum Mode: String, Hashable, Sendable, Codable, CaseIterable {
        /// STARTTLS where it is offered, whatever the certificate says; else plain text.
        case opportunistic
        /// Never.
        case off
        /// A receiver without STARTTLS gets no mail.
        case required
    }

    package var mode = Mode.opportunistic

    package init() {}

    mutating func read(_ reader: TableReader) {
        reader.read("mode", .choice, into: &mode)
    }
}
