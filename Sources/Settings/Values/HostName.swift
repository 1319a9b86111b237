import Mail

/// Names of hosts and domains as the DNS and people write them: with the root's dot, with
/// underscores, in any script.
package enum HostName {
    /// Lowercase, in ASCII (A-labels, RFC 5890), without the root's dot: so an address's domain
    /// (`DomainName`) and a name in the configuration are equal where they mean the same. nil
    /// where no such name can be: an empty or too long label (63 octets), too long a name (253),
    /// or a character that no name has.
    package static func canonical(_ text: some StringProtocol) -> String? {
        var name = text.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if !name.utf8.allSatisfy({ $0 < 0x80 }) { return DomainName.canonical(name) }
        guard !name.isEmpty, name.utf8.count <= 253 else { return nil }
        for label in name.split(separator: ".", omittingEmptySubsequences: false) {
            guard (1...63).contains(label.utf8.count), label.first != "-", label.last != "-",
                label.utf8.allSatisfy(isAllowed)
            else { return nil }
        }
        return name
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    static var kind: ValueKind<String> {
        ValueKind("a host name such as \"mta1.example.net\"") { text in
            guard IPAddress(text: text) == nil else { return nil }
            return canonical(text)
        }
    }
}
