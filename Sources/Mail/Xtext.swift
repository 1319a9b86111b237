/// The encoding of parameters of SMTP commands (RFC 3461 §4): printable ASCII, in which "+XX"
/// stands for a byte.
package enum Xtext {
    /// Whether `bytes` are xtext. With `allowUTF8` non-ASCII bytes may occur too (RFC 6533 §3).
    package static func isValid(_ bytes: some Collection<UInt8>, allowUTF8: Bool = false) -> Bool {
        var hexDigits = 0
        for byte in bytes {
            if hexDigits > 0 {
                guard value(byte) != nil else { return false }
                hexDigits -= 1
            } else if byte == UInt8(ascii: "+") {
                hexDigits = 2
            } else {
                let plain = (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "=")
                guard plain || allowUTF8 && byte >= 0x80 else { return false }
            }
        }
        return hexDigits == 0
    }

    /// What `text` stands for; malformed "+XX" stay as they are.
    package static func decode(_ text: some StringProtocol) -> String {
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var i = 0
        while i < bytes.count {
            if bytes[i] == UInt8(ascii: "+"), i + 2 < bytes.count,
                let high = value(bytes[i + 1]), let low = value(bytes[i + 2])
            {
                output.append(high << 4 | low)
                i += 3
            } else {
                output.append(bytes[i])
                i += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    package static func encode(_ text: some StringProtocol) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var output: [UInt8] = []
        for byte in text.utf8 {
            if (0x21...0x7E).contains(byte), byte != UInt8(ascii: "+"), byte != UInt8(ascii: "=") {
                output.append(byte)
            } else {
                output += [
                    UInt8(ascii: "+"), digits[Int(byte >> 4)], digits[Int(byte & 15)],
                ]
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// Uppercase only (RFC 3461 §4: hexchar).
    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        default: nil
        }
    }
}
