import Scheduler

/// Something wrong inside a value.
struct ValueComplaint {
    /// nil: the line of the key.
    var line: Int?
    var message: String
}

/// How a value of one kind is read and checked.
package struct ValueKind<Value> {
    /// "a duration such as \"5m\"": completes "expected …".
    let expected: String
    /// nil without a complaint says only that it is not of this kind.
    let parse: (TOMLNode, inout [ValueComplaint]) -> Value?

    init(
        _ expected: String, parse: @escaping (TOMLNode, inout [ValueComplaint]) -> Value?
    ) {
        self.expected = expected
        self.parse = parse
    }

    /// A string in a notation of its own.
    package init(_ expected: String, text: @escaping (String) -> Value?) {
        self.init(expected) { node, _ in
            guard case .string(let string) = node.value else { return nil }
            return text(string)
        }
    }

    func mismatch(_ node: TOMLNode) -> ValueComplaint {
        let found =
            switch node.value {
            case .string(let text): "\"\(text.escapedForMessage)\""
            case .integer(let number): "the number \(number)"
            case .float(let number): "the number \(number)"
            case .boolean, .date, .array, .table: node.value.kind
            }
        return ValueComplaint(line: node.line, message: "expected \(expected), found \(found)")
    }
}

extension ValueKind where Value == String {
    package static var text: ValueKind {
        ValueKind("a string that is not empty") { $0.isEmpty ? nil : $0 }
    }

    /// A path; a relative one is taken from the directory of the settings file.
    static func path(relativeTo directory: String) -> ValueKind {
        ValueKind("the path of a file") { text in
            guard !text.isEmpty, !text.utf8.contains(0) else { return nil }
            return text.hasPrefix("/") ? text : directory + "/" + text
        }
    }
}

extension ValueKind where Value == Int {
    package static func integer(_ range: ClosedRange<Int>) -> ValueKind {
        let expected =
            range.upperBound == .max
            ? "an integer of at least \(range.lowerBound)"
            : "an integer from \(range.lowerBound) to \(range.upperBound)"
        return ValueKind(expected) { node, _ in
            guard case .integer(let number) = node.value, range.contains(number) else {
                return nil
            }
            return number
        }
    }

    /// Bytes: "50M" or an integer.
    package static func size(_ range: ClosedRange<Int>) -> ValueKind {
        let expected =
            "a size such as \"50M\" (K, M, G: powers of 1024), from \(ByteSize.text(range.lowerBound))"
            + " to \(ByteSize.text(range.upperBound))"
        return ValueKind(expected) { node, _ in
            let bytes: Int? =
                switch node.value {
                case .integer(let number): number
                case .string(let text): ByteSize.parse(text)
                default: nil
                }
            guard let bytes, range.contains(bytes) else { return nil }
            return bytes
        }
    }
}

extension ValueKind where Value == Double {
    /// An integer will do.
    package static func number(_ range: ClosedRange<Double>) -> ValueKind {
        ValueKind("a number from \(range.lowerBound) to \(range.upperBound)") { node, _ in
            let number: Double? =
                switch node.value {
                case .integer(let number): Double(number)
                case .float(let number): number
                default: nil
                }
            return number.flatMap { range.contains($0) ? $0 : nil }
        }
    }
}

extension ValueKind where Value == [Double] {
    /// An array, also with equal elements.
    static func numbers(_ range: ClosedRange<Double>) -> ValueKind {
        let element = ValueKind<Double>.number(range)
        return ValueKind("an array; each element \(element.expected)") { node, complaints in
            guard case .array(let nodes) = node.value else { return nil }
            var numbers: [Double] = []
            for node in nodes {
                if let number = element.parse(node, &complaints) {
                    numbers.append(number)
                } else {
                    let found = element.mismatch(node)
                    complaints.append(
                        ValueComplaint(line: node.line, message: found.message))
                }
            }
            return numbers
        }
    }
}

extension ValueKind where Value == Bool {
    package static var flag: ValueKind {
        ValueKind("true or false") { node, _ in
            guard case .boolean(let flag) = node.value else { return nil }
            return flag
        }
    }
}

extension ValueKind where Value == Duration {
    package static func duration(_ range: ClosedRange<Duration>) -> ValueKind {
        let expected =
            "a duration such as \"5s\" or \"1h30m\", from \(DurationText.text(range.lowerBound))"
            + " to \(DurationText.text(range.upperBound))"
        return ValueKind(expected) { node, complaints in
            switch node.value {
            case .string(let text):
                guard let duration = DurationText.parse(text), range.contains(duration) else {
                    return nil
                }
                return duration
            case .integer(let number):
                complaints.append(
                    ValueComplaint(
                        message: "expected \(expected), found the number \(number); did you mean"
                            + " \"\(number)s\"?"))
                return nil
            default: return nil
            }
        }
    }
}

extension ValueKind where Value: CaseIterable & RawRepresentable<String> {
    /// One of a few words.
    package static var choice: ValueKind {
        let words = Value.allCases.map { "\"\($0.rawValue)\"" }
        let expected = words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
        return ValueKind(expected) { node, complaints in
            guard case .string(let text) = node.value else { return nil }
            if let value = Value(rawValue: text) { return value }
            if let near = Suggestion.nearest(
                to: text, among: Value.allCases.map(\.rawValue))
            {
                complaints.append(
                    ValueComplaint(
                        message: "expected \(expected), found \"\(text.escapedForMessage)\";"
                            + " did you mean \"\(near)\"?"))
            }
            return nil
        }
    }
}

extension ValueKind {
    /// An array whose elements are all of one kind and differ from each other.
    package static func list<Element: Hashable>(_ element: ValueKind<Element>) -> ValueKind<
        [Element]
    > {
        ValueKind<[Element]>("an array; each element \(element.expected)") { node, complaints in
            guard case .array(let nodes) = node.value else { return nil }
            var elements: [Element] = []
            for node in nodes {
                var inner: [ValueComplaint] = []
                if let value = element.parse(node, &inner) {
                    if elements.contains(value) {
                        let found = ValueKind<Element>.describe(node)
                        inner.append(
                            ValueComplaint(line: node.line, message: "\(found) is there twice"))
                    }
                    elements.append(value)
                } else if inner.isEmpty {
                    inner.append(element.mismatch(node))
                }
                complaints += inner.map {
                    ValueComplaint(line: $0.line ?? node.line, message: $0.message)
                }
            }
            return elements
        }
    }

    private static func describe(_ node: TOMLNode) -> String {
        if case .string(let text) = node.value { return "\"\(text.escapedForMessage)\"" }
        return node.value.kind
    }
}

extension String {
    /// What a file contains may end on a terminal: no control characters, no endless lines.
    var escapedForMessage: String {
        var text = ""
        for scalar in unicodeScalars.prefix(80) {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse,
                .unassigned, .surrogate:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return unicodeScalars.count > 80 ? text + "…" : text
    }
}
