import Mail

/// What a server offers, as its reply to EHLO says.
package struct Capabilities: Hashable, Sendable {
    package var pipelining = false
    /// Octets; nil if the server names no limit.
    package var maxSize: Int?
    package var size = false
    package var eightBit = false
    package var utf8 = false
    package var dsn = false
    package var startTLS = false

    package init() {}

    /// - Parameter lines: of the reply; the first one greets.
    init(ehlo lines: [String]) {
        for line in lines.dropFirst() {
            let words = line.split(separator: " ")
            switch words.first?.uppercased() {
            case "PIPELINING": pipelining = true
            case "SIZE":
                size = true
                // 0 says that there is no fixed limit (RFC 1870 §4).
                if words.count > 1, let limit = Int(words[1]), limit > 0 { maxSize = limit }
            case "8BITMIME": eightBit = true
            case "SMTPUTF8": utf8 = true
            case "DSN": dsn = true
            case "STARTTLS": startTLS = true
            default: break
            }
        }
    }
}
