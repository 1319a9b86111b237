/// The path and query of a request.
package struct RequestTarget {
    package private(set) var text: String
    private var hasQuery = false

    /// Each part is one segment of the path: a slash in it is escaped.
    package init(_ segments: String...) {
        text = segments.map { "/" + Self.escaped($0) }.joined()
    }

    mutating func add(_ name: String, _ value: String?) {
        guard let value else { return }
        text += (hasQuery ? "&" : "?") + name + "=" + Self.escaped(value)
        hasQuery = true
    }

    package func adding(_ name: String, _ value: String?) -> RequestTarget {
        var target = self
        target.add(name, value)
        return target
    }

    /// Everything but the unreserved characters of RFC 3986, section 2.3, as `%XX`.
    static func escaped(_ text: String) -> String {
        var result = [UInt8]()
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                result.append(byte)
            default:
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
