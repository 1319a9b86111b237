package import Mail

/// Text that may be drawn: literals, numbers, `SafeText`, and what is composed of them.
///
/// There is no way in for a plain `String`: whatever came from the network passes through
/// `SafeText` first, and forgetting that does not compile.
package struct Label: Hashable, Sendable {
    package private(set) var text: String

    package init(_ text: SafeText) {
        self.text = text.text
    }

    package init(_ number: some BinaryInteger) {
        text = String(number)
    }

    /// `count` times the same.
    package init(repeating label: Label, count: Int) {
        text = String(repeating: label.text, count: max(0, count))
    }

    /// Printable ASCII; anything else becomes `?`. For formatted numbers.
    package init(ascii bytes: some Sequence<UInt8>) {
        text = String(
            decoding: bytes.map { (0x20...0x7E).contains($0) ? $0 : UInt8(ascii: "?") },
            as: UTF8.self)
    }

    private init(unchecked text: String) {
        self.text = text
    }

    package var isEmpty: Bool { text.isEmpty }

    /// Columns that it takes.
    package var columns: Int {
        var columns = 0
        for character in text { columns += Self.columns(of: character) }
        return columns
    }

    package static func columns(of character: Character) -> Int {
        character.unicodeScalars.first.map(CharacterWidth.columns) ?? 0
    }

    package static func + (a: Label, b: Label) -> Label { Label(unchecked: a.text + b.text) }

    package static func += (a: inout Label, b: Label) { a.text += b.text }
}

extension Label: ExpressibleByStringInterpolation {
    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + 8 * interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) {
            text += literal
        }

        package mutating func appendInterpolation(_ label: Label) {
            text += label.text
        }

        package mutating func appendInterpolation(_ safe: SafeText) {
            text += safe.text
        }

        package mutating func appendInterpolation(_ number: some BinaryInteger) {
            text += String(number)
        }

        /// At least `digits` digits, with leading zeros.
        package mutating func appendInterpolation(_ number: Int, digits: Int) {
            let written = String(number)
            text += String(repeating: "0", count: max(0, digits - written.count)) + written
        }
    }

    package init(stringLiteral value: String) {
        text = value
    }

    package init(stringInterpolation: StringInterpolation) {
        text = stringInterpolation.text
    }
}
