/// A name, or a pattern in which "*" stands for any characters, dots too: "example.com",
/// "*.example.com" (the subdomains, not example.com itself), "192.0.2.*", "*".
package struct NamePattern: Hashable, Sendable, Codable, CustomStringConvertible {
    package let text: String

    /// Takes lowercase, as `canonical` makes it.
    private init(text: String) {
        self.text = text
    }

    /// For shaping: "*" anywhere, over domains, host names, addresses and destinations'
    /// identities (which contain ",", ":" and brackets). nil where it could match nothing.
    package init?(glob: String) {
        // Domains are compared as A-labels; a label with a "*" has none. A dot at the end is the
        // root's (RFC 1034 §3.1), which no name here has.
        let isRooted = glob.hasSuffix(".") && glob.count > 1
        let glob = isRooted ? String(glob.dropLast()) : glob
        let labels = glob.lowercased().split(separator: ".", omittingEmptySubsequences: false)
        let text = labels.map { label in
            label.utf8.allSatisfy { $0 < 0x80 }
                ? String(label) : HostName.canonical(label) ?? String(label)
        }.joined(separator: ".")
        let allowed = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "*"),
                UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "["), UInt8(ascii: "]"):
                true
            default: false
            }
        }
        guard !text.isEmpty, text.utf8.count <= 1024, allowed else { return nil }
        self.text = text
    }

    /// For routes: a domain, "*.suffix" or "*". nil for anything else.
    package init?(domain: String) {
        if domain == "*" {
            text = domain
        } else if domain.hasPrefix("*.") {
            guard let suffix = HostName.canonical(domain.dropFirst(2)) else { return nil }
            text = "*." + suffix
        } else {
            guard let name = HostName.canonical(domain) else { return nil }
            text = name
        }
    }

    package var description: String { text }

    package var isExact: Bool { !text.utf8.contains(UInt8(ascii: "*")) }

    /// Larger is more specific: an exact name above every pattern, then by how much is spelled
    /// out.
    package var specificity: Int {
        isExact ? .max : text.utf8.count { $0 != UInt8(ascii: "*") }
    }

    /// `name` in lowercase.
    package func matches(_ name: String) -> Bool {
        if isExact { return text == name }
        let pattern = Array(text.utf8)
        let bytes = Array(name.utf8)
        var p = 0
        var n = 0
        // Where to go on after the last "*" if what follows it does not fit: one byte further.
        var retry: (pattern: Int, name: Int)?
        while n < bytes.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                p += 1
                retry = (p, n)
            } else if p < pattern.count, pattern[p] == bytes[n] {
                p += 1
                n += 1
            } else if let (restart, position) = retry {
                p = restart
                n = position + 1
                retry = (restart, n)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
