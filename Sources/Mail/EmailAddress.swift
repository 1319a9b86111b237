/// A mailbox as the envelope has it (RFC 5321 §4.1.2, RFC 6531 §3.3).
///
/// The local part is kept as it was written, quotes included: only its final host may interpret
/// it. The domain is lowercase and a name in it that is not ASCII is in its A-label form, so that
/// equal destinations have equal texts.
package struct EmailAddress: Hashable, Sendable, CustomStringConvertible {
    /// "local@domain"; "postmaster" alone where that was allowed.
    package let text: String
    /// Where the "@" is, in bytes; the length of `text` if there is none.
    private let at: Int

    /// Octets (RFC 5321 §4.5.3.1); a path of 256 includes its angle brackets.
    package static let maxLocalPart = 64
    package static let maxDomain = 255
    package static let maxAddress = 254

    /// - Parameter allowBarePostmaster: "postmaster" without a domain is an address too, as in
    ///   RCPT (RFC 5321 §4.1.1.3).
    package init(
        parsing input: some StringProtocol, allowUTF8: Bool, allowBarePostmaster: Bool = false
    ) throws(AddressError) {
        let bytes = Array(input.utf8)
        guard !bytes.isEmpty else { throw .empty }
        // Quadratic work on a long input ends here; each part has its own limit below.
        guard bytes.count <= 4 * Self.maxAddress else {
            throw .tooLong(part: "address", limit: Self.maxAddress)
        }
        try Self.checkCharacters(bytes, input, allowUTF8: allowUTF8)

        let end = try LocalPart.end(in: bytes)
        guard end <= Self.maxLocalPart else {
            throw .tooLong(part: "local part", limit: Self.maxLocalPart)
        }
        if end == bytes.count {
            let local = String(decoding: bytes, as: UTF8.self)
            guard allowBarePostmaster, local.lowercased() == "postmaster" else {
                throw .missingDomain
            }
            text = local
            at = end
            return
        }
        guard bytes[end] == UInt8(ascii: "@") else { throw .localPart }
        let domain = bytes[(end + 1)...]
        guard !domain.isEmpty else { throw .missingDomain }
        let host: String
        if domain.first == UInt8(ascii: "[") {
            guard let literal = AddressLiteral.canonical(domain) else { throw .literal }
            host = literal
        } else {
            guard let name = DomainName.canonical(String(decoding: domain, as: UTF8.self)) else {
                throw .domain
            }
            host = name
        }
        guard host.utf8.count <= Self.maxDomain else {
            throw .tooLong(part: "domain", limit: Self.maxDomain)
        }
        guard end + 1 + host.utf8.count <= Self.maxAddress else {
            throw .tooLong(part: "address", limit: Self.maxAddress)
        }
        text = String(decoding: bytes[...end], as: UTF8.self) + host
        at = end
    }

    package var localPart: String { String(text.utf8.prefix(at)) ?? "" }

    /// A lowercase name, or an address literal in brackets; "" only for a bare "postmaster".
    package var domain: String { String(text.utf8.dropFirst(at + 1)) ?? "" }

    /// Whether the envelope needs SMTPUTF8 to carry this address.
    package var needsUTF8: Bool { text.utf8.contains { $0 >= 0x80 } }

    package var description: String { text }

    private static func checkCharacters(
        _ bytes: [UInt8], _ input: some StringProtocol, allowUTF8: Bool
    ) throws(AddressError) {
        var ascii = true
        for byte in bytes {
            if byte < 0x20 || byte == 0x7F { throw .controlCharacter }
            if byte >= 0x80 { ascii = false }
        }
        if ascii { return }
        guard allowUTF8 else { throw .notASCII }
        for scalar in input.unicodeScalars where scalar.value >= 0x80 {
            // U+FFFD stands where the bytes were no UTF-8.
            if scalar.value == 0xFFFD { throw .localPart }
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .unassigned:
                throw .controlCharacter
            default:
                if scalar.properties.isBidiControl { throw .controlCharacter }
            }
        }
    }
}

/// The part before the "@" (RFC 5321 §4.1.2: Dot-string or Quoted-string).
private enum LocalPart {
    /// Where the local part ends that `bytes` begin with.
    static func end(in bytes: [UInt8]) throws(AddressError) -> Int {
        bytes[0] == UInt8(ascii: "\"") ? try quoted(bytes) : try dotted(bytes)
    }

    private static func quoted(_ bytes: [UInt8]) throws(AddressError) -> Int {
        var i = 1
        while i < bytes.count {
            switch bytes[i] {
            case UInt8(ascii: "\""):
                return i + 1
            case UInt8(ascii: "\\"):
                // A quoted pair is of ASCII only.
                guard i + 1 < bytes.count, bytes[i + 1] < 0x80 else { throw .localPart }
                i += 2
            default:
                i += 1
            }
        }
        throw .localPart
    }

    private static func dotted(_ bytes: [UInt8]) throws(AddressError) -> Int {
        var i = 0
        var afterDot = true
        while i < bytes.count, bytes[i] != UInt8(ascii: "@") {
            if bytes[i] == UInt8(ascii: ".") {
                if afterDot { throw .localPart }
                afterDot = true
            } else {
                guard isAtext(bytes[i]) else { throw .localPart }
                afterDot = false
            }
            i += 1
        }
        if afterDot { throw .localPart }
        return i
    }

    /// RFC 5322 §3.2.3, and UTF-8 beyond ASCII (RFC 6531 §3.3).
    private static func isAtext(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x80...: true
        case UInt8(ascii: "!"), 0x23...0x27, UInt8(ascii: "*"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "="), UInt8(ascii: "?"),
            0x5E...0x60, 0x7B...0x7E:
            true
        default: false
        }
    }
}
