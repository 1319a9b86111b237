import Glibc

/// An IPv4 or IPv6 address without a port and without a zone.
package enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(UInt128)

    /// Dotted decimal without leading zeros, or RFC 4291 §2.2 text. No brackets, no zone.
    package init?(text: some StringProtocol) {
        // inet_pton takes a C string: a NUL must not end it early.
        let allowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: ":"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard allowed, !text.isEmpty, text.utf8.count <= 45 else { return nil }
        let string = String(text)
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, string, &four) == 1 {
            self = .v4(UInt32(bigEndian: four.s_addr))
        } else if inet_pton(AF_INET6, string, &six) == 1 {
            self = .v6(withUnsafeBytes(of: &six) { Self.number($0) })
        } else {
            return nil
        }
    }

    /// Four or sixteen bytes in network order; nil for another count.
    package init?(networkBytes bytes: [UInt8]) {
        switch bytes.count {
        case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16: self = .v6(bytes.reduce(0) { $0 << 8 | UInt128($1) })
        default: return nil
        }
    }

    private static func number(_ bytes: UnsafeRawBufferPointer) -> UInt128 {
        bytes.reduce(0) { $0 << 8 | UInt128($1) }
    }

    /// An IPv4-mapped IPv6 address (::ffff:192.0.2.1, RFC 4291 §2.5.5.2) as the IPv4 address it
    /// stands for; every other address as it is.
    package var unmapped: IPAddress {
        if case .v6(let number) = self, number >> 32 == 0xFFFF {
            return .v4(UInt32(truncatingIfNeeded: number))
        }
        return self
    }

    package var isLoopback: Bool {
        switch unmapped {
        case .v4(let number): number >> 24 == 127
        case .v6(let number): number == 1
        }
    }

    /// 0.0.0.0 or ::
    package var isUnspecified: Bool { self == .v4(0) || self == .v6(0) }
}

/// The canonical text: RFC 5952 for IPv6.
extension IPAddress: CustomStringConvertible {
    package var description: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch self {
        case .v4(let number):
            var address = in_addr(s_addr: number.bigEndian)
            inet_ntop(AF_INET, &address, &buffer, socklen_t(buffer.count))
        case .v6(let number):
            var address = in6_addr()
            withUnsafeMutableBytes(of: &address) {
                $0.storeBytes(of: number.bigEndian, as: UInt128.self)
            }
            inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count))
        }
        return String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension IPAddress: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let address = IPAddress(text: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an IP address")
        }
        self = address
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
