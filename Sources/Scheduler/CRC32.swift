/// CRC-32/ISO-HDLC, the one of Ethernet, gzip and PNG: polynomial 0x04C11DB7 reflected, all ones
/// before and after. The check value of "123456789" is 0xCBF43926.
package enum CRC32 {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in
            value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
        }
    }

    package static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        let table = table
        var value = UInt32.max
        for byte in bytes {
            value = table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8
        }
        return ~value
    }

    /// Over the text's UTF-8.
    package static func checksum(_ text: String) -> UInt32 {
        let table = table
        var text = text
        return text.withUTF8 { bytes in
            table.withUnsafeBufferPointer { table in
                var value = UInt32.max
                for byte in bytes {
                    value = table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] ^ value >> 8
                }
                return ~value
            }
        }
    }
}

/// How exchangers become the identity of a destination.
package enum DestinationKey {
    /// Each address once, in the order of their bytes, joined with ",". The addresses have to be
    /// in canonical text form already (RFC 5952 for IPv6).
    package static func canonical(addresses: [String]) -> String {
        Set(addresses)
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            .joined(separator: ",")
    }

    /// The key on the ring. Two identities may share it; they stay two destinations.
    package static func ring(_ canonical: String) -> UInt32 { CRC32.checksum(canonical) }
}
