/// Names of domains, in the form that is compared, looked up and shown in the queue.
package enum DomainName {
    /// Lowercase, A-labels for what is not ASCII; nil if it is no domain (RFC 5321 §4.1.2): labels
    /// of letters, digits and inner hyphens, 1 to 63 octets each, at most 255 together, without a
    /// final dot.
    ///
    /// The conversion maps case and the ideographic full stop; it does not normalise (UTS 46 does),
    /// so a name that is not in NFC becomes a name that does not exist.
    package static func canonical(_ name: String) -> String? {
        var ascii = true
        var mixed = false
        for byte in name.utf8 {
            if byte >= 0x80 { ascii = false }
            if (0x41...0x5A).contains(byte) { mixed = true }
        }
        if ascii {
            let name = mixed ? name.lowercased() : name
            return isValid(name) ? name : nil
        }
        var labels: [String] = []
        let dots: Set<Unicode.Scalar> = [".", "\u{3002}", "\u{FF0E}", "\u{FF61}"]
        for label in name.unicodeScalars.split(
            omittingEmptySubsequences: false, whereSeparator: dots.contains)
        {
            let label = String(String.UnicodeScalarView(label)).lowercased()
            if label.utf8.allSatisfy({ $0 < 0x80 }) {
                labels.append(label)
            } else {
                guard isLabel(label), let encoded = Punycode.encode(label) else { return nil }
                labels.append("xn--" + encoded)
            }
        }
        let converted = labels.joined(separator: ".")
        return isValid(converted) ? converted : nil
    }

    /// Whether `name`, in ASCII, has the form of a domain.
    private static func isValid(_ name: String) -> Bool {
        var length = 0
        var last = UInt8(ascii: ".")
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x39, 0x61...0x7A:
                length += 1
            case UInt8(ascii: "-"):
                if length == 0 { return false }
                length += 1
            case UInt8(ascii: "."):
                if length == 0 || last == UInt8(ascii: "-") { return false }
                length = 0
            default:
                return false
            }
            if length > 63 { return false }
            last = byte
        }
        return length > 0 && last != UInt8(ascii: "-") && name.utf8.count <= 255
    }

    /// Letters, marks and numbers of any script, hyphens and middle dots (after RFC 5892 §2).
    private static func isLabel(_ label: String) -> Bool {
        label.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .lowercaseLetter, .otherLetter, .modifierLetter, .nonspacingMark, .spacingMark,
                .decimalNumber:
                true
            default:
                scalar == "-" || scalar == "\u{B7}" || scalar == "\u{30FB}"
            }
        }
    }
}

/// RFC 3492, the direction from Unicode to ASCII; names are those of its §6.
private enum Punycode {
    private static let base = 36
    private static let tMin = 1
    private static let tMax = 26
    private static let skew = 38
    private static let damp = 700
    private static let initialBias = 72
    private static let initialN = 128

    /// nil if the label is longer than any that fits a domain.
    static func encode(_ label: String) -> String? {
        let input = label.unicodeScalars.map { Int($0.value) }
        guard input.count <= 63 else { return nil }
        var output = input.filter { $0 < 0x80 }.map { UInt8($0) }
        let basic = output.count
        if basic > 0 { output.append(UInt8(ascii: "-")) }
        var n = initialN
        var delta = 0
        var bias = initialBias
        var handled = basic
        while handled < input.count {
            // There is one: a scalar that is not handled yet is at least n.
            let next = input.lazy.filter { $0 >= n }.min() ?? n
            delta += (next - n) * (handled + 1)
            n = next
            for code in input {
                if code < n { delta += 1 }
                guard code == n else { continue }
                var q = delta
                var k = base
                while true {
                    let t = min(max(k - bias, tMin), tMax)
                    if q < t { break }
                    output.append(digit(t + (q - t) % (base - t)))
                    q = (q - t) / (base - t)
                    k += base
                }
                output.append(digit(q))
                bias = adapt(delta, points: handled + 1, first: handled == basic)
                delta = 0
                handled += 1
            }
            delta += 1
            n += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static func adapt(_ delta: Int, points: Int, first: Bool) -> Int {
        var delta = first ? delta / damp : delta / 2
        delta += delta / points
        var k = 0
        while delta > (base - tMin) * tMax / 2 {
            delta /= base - tMin
            k += base
        }
        return k + (base - tMin + 1) * delta / (delta + skew)
    }

    private static func digit(_ value: Int) -> UInt8 {
        UInt8(value < 26 ? value + 0x61 : value - 26 + 0x30)
    }
}
