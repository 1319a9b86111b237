/// A block of addresses: "127.0.0.0/8", "2001:db8::/32", or one address alone.
///
/// An IPv4-mapped IPv6 address counts as the IPv4 address: a client that comes through a socket
/// for both families must not escape or miss a rule.
package struct CIDRBlock: Hashable, Sendable, CustomStringConvertible {
    /// The first address of the block; never IPv4-mapped.
    package let address: IPAddress
    /// 0…32 or 0…128.
    package let prefixLength: Int

    /// The address's bits below the prefix are cleared.
    package init?(address: IPAddress, prefixLength: Int) {
        var length = prefixLength
        if address != address.unmapped {
            // A mapped block wider than the mapped range makes no sense as IPv4.
            guard length >= 96 else { return nil }
            length -= 96
        }
        switch address.unmapped {
        case .v4(let number):
            guard (0...32).contains(length) else { return nil }
            self.address = .v4(length == 0 ? 0 : number & (~0 << (32 - length)))
        case .v6(let number):
            guard (0...128).contains(length) else { return nil }
            self.address = .v6(length == 0 ? 0 : number & (~0 << (128 - length)))
        }
        self.prefixLength = length
    }

    /// nil where it is not an address, the length is out of range, or is not plain digits.
    package init?(text: String) {
        let parts = text.split(
            separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(text: parts[0]) else { return nil }
        let width = if case .v4 = address { 32 } else { 128 }
        guard parts.count == 2 else {
            self.init(address: address, prefixLength: width)
            return
        }
        guard !parts[1].isEmpty, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let length = Int(parts[1])
        else { return nil }
        self.init(address: address, prefixLength: length)
    }

    package func contains(_ other: IPAddress) -> Bool {
        switch (address, other.unmapped) {
        case (.v4(let block), .v4(let number)):
            prefixLength == 0 || (block ^ number) >> (32 - prefixLength) == 0
        case (.v6(let block), .v6(let number)):
            prefixLength == 0 || (block ^ number) >> (128 - prefixLength) == 0
        default: false
        }
    }

    package var description: String { "\(address)/\(prefixLength)" }

    static var kind: ValueKind<CIDRBlock> {
        let expected = "an address or a block such as \"192.0.2.0/24\" or \"2001:db8::/32\""
        return ValueKind(expected) { node, complaints in
            guard case .string(let text) = node.value, let block = CIDRBlock(text: text) else {
                return nil
            }
            let written = text.prefix { $0 != "/" }
            if IPAddress(text: written)?.unmapped != block.address {
                complaints.append(
                    ValueComplaint(
                        message: "\"\(text.escapedForMessage)\" has address bits below its"
                            + " prefix; did you mean \"\(block)\" or \"\(written)\"?"))
            }
            return block
        }
    }
}

extension CIDRBlock: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let block = CIDRBlock(text: text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not a block of addresses")
        }
        self = block
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
