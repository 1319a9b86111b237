import CIDN2

/// Names of domains, in the form that is compared, looked up and shown in the queue.
package enum DomainName {
    /// Lowercase, A-labels for what is not ASCII; nil if it is no domain (RFC 5321 §4.1.2): labels
    /// of letters, digits and inner hyphens, 1 to 63 octets each, at most 255 together, without a
    /// final dot.
    ///
    /// What is not ASCII is mapped and normalised as UTS 46 says, nontransitional, and has to be
    /// valid by IDNA 2008 (RFC 5891): case, width and composition of letters make no difference.
    package static func canonical(_ name: String) -> String? {
        var ascii = true
        var mixed = false
        for byte in name.utf8 {
            if byte >= 0x80 { ascii = false }
            if (0x41...0x5A).contains(byte) { mixed = true }
        }
        let converted = ascii ? mixed ? name.lowercased() : name : aLabels(name)
        return converted.flatMap { isValid($0) ? $0 : nil }
    }

    private static func aLabels(_ name: String) -> String? {
        // Work that grows with the square of the length ends here; a C string ends at a NUL.
        guard name.utf8.count <= 1024, !name.utf8.contains(0),
            !name.unicodeScalars.contains(where: isHidden)
        else { return nil }
        let flags = IDN2_NONTRANSITIONAL.rawValue | IDN2_NFC_INPUT.rawValue
        var output: UnsafeMutablePointer<CChar>?
        guard idn2_to_ascii_8z(name, &output, Int32(flags)) == IDN2_OK.rawValue, let output
        else { return nil }
        defer { idn2_free(output) }
        return String(cString: output)
    }

    /// What UTS 46 leaves out of a name, so that nobody sees it, other than the joiners, which some
    /// scripts need (RFC 5892, appendix A).
    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isDefaultIgnorableCodePoint && scalar != "\u{200C}"
            && scalar != "\u{200D}"
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
}
