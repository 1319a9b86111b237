/// An address in brackets in the place of a domain (RFC 5321 §4.1.3).
package enum AddressLiteral {
    /// "[192.0.2.1]" or "[IPv6:2001:db8::1]", the tag in that case and the digits in lowercase;
    /// nil for everything else.
    package static func canonical(_ bytes: some Collection<UInt8>) -> String? {
        // In ASCII a character is a byte: a mark behind the bracket would be one with it.
        guard bytes.first == UInt8(ascii: "["), bytes.count <= 64,
            bytes.allSatisfy({ $0 < 0x80 })
        else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard text.hasSuffix("]") else { return nil }
        let inner = text.dropFirst().dropLast()
        if isIPv4(inner) { return text }
        let lower = inner.lowercased()
        guard lower.hasPrefix("ipv6:") else { return nil }
        let address = lower.dropFirst(5)
        return isIPv6(address) ? "[IPv6:\(address)]" : nil
    }

    /// Four decimal numbers, 0 to 255, without leading zeros.
    package static func isIPv4(_ text: some StringProtocol) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count == 4
            && parts.allSatisfy { part in
                guard (1...3).contains(part.count), part.allSatisfy({ 0x30...0x39 ~= $0 }) else {
                    return false
                }
                if part.count > 1, part.first == 0x30 { return false }
                return part.reduce(0) { $0 * 10 + Int($1 - 0x30) } <= 255
            }
    }

    /// RFC 4291 §2.2, without a zone: eight groups, or fewer with one "::", the last two perhaps
    /// written as IPv4.
    package static func isIPv6(_ text: some StringProtocol) -> Bool {
        let text = String(text)
        guard text.utf8.count <= 45 else { return false }
        var groups = text.split(separator: ":", omittingEmptySubsequences: false)
        guard groups.count >= 3 else { return false }
        // "::" at an end makes two empty groups there.
        if groups[0].isEmpty {
            guard groups[1].isEmpty else { return false }
            groups.removeFirst()
        }
        if groups[groups.count - 1].isEmpty {
            guard groups[groups.count - 2].isEmpty else { return false }
            groups.removeLast()
        }
        var count = 0
        var gaps = 0
        for (index, group) in groups.enumerated() {
            if group.isEmpty {
                gaps += 1
            } else if index == groups.count - 1, group.contains(".") {
                guard isIPv4(group) else { return false }
                count += 2
            } else {
                guard group.utf8.count <= 4, group.utf8.allSatisfy(isHexDigit) else {
                    return false
                }
                count += 1
            }
        }
        return gaps == 0 ? count == 8 : gaps == 1 && count <= 7
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }
}
