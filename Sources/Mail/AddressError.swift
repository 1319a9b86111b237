/// Why a text is not an address.
package enum AddressError: Error, Hashable, Sendable, CustomStringConvertible {
    case empty
    /// Beyond the limits of RFC 5321 §4.5.3.1; the limit is in octets.
    case tooLong(part: String, limit: Int)
    case controlCharacter
    /// Not ASCII, where SMTPUTF8 was not asked for.
    case notASCII
    case missingDomain
    case localPart
    case domain
    case literal

    package var description: String {
        switch self {
        case .empty: "the address is empty"
        case .tooLong(let part, let limit): "the \(part) is longer than \(limit) octets"
        case .controlCharacter: "the address has a control character"
        case .notASCII: "the address is not ASCII and SMTPUTF8 is not in use"
        case .missingDomain: "the address has no domain"
        case .localPart: "the part before the @ is malformed"
        case .domain: "the domain is malformed"
        case .literal: "the address literal is malformed"
        }
    }
}
