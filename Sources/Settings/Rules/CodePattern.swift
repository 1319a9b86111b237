import Mail

/// Reply codes: "421", "45x" or "4xx".
package struct CodePattern: Hashable, Sendable, Codable {
    package let codes: ClosedRange<Int>

    /// nil for anything but refusals, 400 to 599.
    package init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard bytes.count == 3, bytes[0] == UInt8(ascii: "4") || bytes[0] == UInt8(ascii: "5")
        else { return nil }
        var low = 0
        var high = 0
        var isOpen = false
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "x"), UInt8(ascii: "X"):
                (low, high) = (low * 10, high * 10 + 9)
                isOpen = true
            case UInt8(ascii: "0")...UInt8(ascii: "9") where !isOpen:
                let digit = Int(byte - UInt8(ascii: "0"))
                (low, high) = (low * 10 + digit, high * 10 + digit)
            default: return nil
            }
        }
        codes = low...high
    }

    func covers(_ other: CodePattern) -> Bool {
        codes.lowerBound <= other.codes.lowerBound && other.codes.upperBound <= codes.upperBound
    }

    static var kind: ValueKind<CodePattern> {
        ValueKind("a reply code such as \"421\", \"45x\" or \"5xx\"", parse: read)
    }

    private static func read(
        _ node: TOMLNode, _ complaints: inout [ValueComplaint]
    ) -> CodePattern? {
        let text: String
        switch node.value {
        case .integer(let number): text = String(number)
        case .string(let string): text = string
        default: return nil
        }
        if let pattern = CodePattern(text) { return pattern }
        if let number = Int(text), (200...399).contains(number) {
            complaints.append(
                ValueComplaint(
                    message: "\(number) is no refusal: only 4xx and 5xx reach a rule"))
        } else if text.contains("."), EnhancedPattern(text) != nil {
            complaints.append(
                ValueComplaint(
                    message: "\"\(text.escapedForMessage)\" is an enhanced code: write it as"
                        + " enhanced = \"\(text.escapedForMessage)\""))
        }
        return nil
    }
}

/// Enhanced codes (RFC 3463): "4.7.28", "4.7.500-699", "4.7.*" or "4.*".
package struct EnhancedPattern: Hashable, Sendable, Codable {
    let klass: ClosedRange<Int>
    private let subject: ClosedRange<Int>
    private let detail: ClosedRange<Int>

    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count), parts.count == 3 || parts[1] == "*",
            let klass = Self.range(parts[0], 4...5), let subject = Self.range(parts[1], 0...999),
            let detail = parts.count == 3 ? Self.range(parts[2], 0...999) : 0...999
        else { return nil }
        self.klass = klass
        self.subject = subject
        self.detail = detail
    }

    /// A number, "*" for all, or two numbers with "-" between them.
    private static func range(
        _ text: some StringProtocol, _ all: ClosedRange<Int>
    ) -> ClosedRange<Int>? {
        if text == "*" { return all }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
        guard let first = ends[0], let last = ends[ends.count - 1], ends.count <= 2,
            first <= last, all.contains(first), all.contains(last),
            text.utf8.first != UInt8(ascii: "+")
        else { return nil }
        return first...last
    }

    func matches(_ code: EnhancedCode) -> Bool {
        klass.contains(code.klass) && subject.contains(code.subject)
            && detail.contains(code.detail)
    }

    func covers(_ other: EnhancedPattern) -> Bool {
        [(klass, other.klass), (subject, other.subject), (detail, other.detail)].allSatisfy {
            $0.lowerBound <= $1.lowerBound && $1.upperBound <= $0.upperBound
        }
    }

    static var kind: ValueKind<EnhancedPattern> {
        ValueKind("an enhanced code such as \"4.7.28\", \"4.7.500-699\" or \"4.7.*\"") {
            EnhancedPattern($0)
        }
    }
}
