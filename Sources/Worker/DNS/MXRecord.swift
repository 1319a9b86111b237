import Settings

/// The RDATA of an MX record (RFC 1035 §3.3.9).
package struct MXRecord: Hashable, Sendable {
    package var preference: UInt16
    /// Canonical; "" is the root: no mail here (RFC 7505).
    package var host: String

    /// nil unless it is a preference and one uncompressed name and nothing more, and the name is
    /// one that a host can have: bytes that mean something elsewhere (a dot inside a label,
    /// control characters) never get into a name.
    package init?(data: [UInt8]) {
        // Two octets, and a name of 1 to 255 (RFC 1035 §2.3.4).
        guard (3...257).contains(data.count) else { return nil }
        preference = UInt16(data[0]) << 8 | UInt16(data[1])

        var labels: [String] = []
        var position = 2
        while true {
            guard position < data.count else { return nil }
            let length = Int(data[position])
            position += 1
            if length == 0 { break }
            guard length <= 63, position + length <= data.count else { return nil }
            let label = data[position..<position + length]
            guard label.allSatisfy(Self.isHostByte) else { return nil }
            labels.append(String(decoding: label, as: UTF8.self))
            position += length
        }
        guard position == data.count else { return nil }
        if labels.isEmpty {
            host = ""
        } else {
            guard let name = HostName.canonical(labels.joined(separator: ".")) else {
                return nil
            }
            host = name
        }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
