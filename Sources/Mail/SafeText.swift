/// Text that can be shown: whatever it is made from, it cannot move a cursor, end a line of a
/// log, turn the writing direction or hide characters.
package struct SafeText: Hashable, Sendable, CustomStringConvertible {
    package let text: String

    /// Marks that may follow one another on a base character; the rest of a longer run is left
    /// out, for stacked marks paint over the lines above and below.
    static let maxMarks = 2

    /// - Parameter limit: the longest text, in Unicode scalars; what is beyond is replaced by "…".
    package init(_ string: String, limit: Int = 1000) {
        if Self.isPlain(string, limit: limit) {
            text = string
            return
        }
        var output = String.UnicodeScalarView()
        var count = 0
        var marks = Self.maxMarks
        for scalar in string.unicodeScalars {
            let replacement: Unicode.Scalar
            switch scalar.value {
            case 0x20...0x7E:
                replacement = scalar
                marks = 0
            case 0...0x1F:
                replacement = Unicode.Scalar(0x2400 + scalar.value) ?? "\u{FFFD}"
                marks = 0
            case 0x7F:
                replacement = "\u{2421}"
                marks = 0
            case 0xFE00...0xFE0F:
                // Variation selectors: invisible, and terminals disagree on the width they give.
                continue
            default:
                switch Self.role(of: scalar) {
                case .visible:
                    replacement = scalar
                    marks = 0
                case .mark:
                    // At the start there is nothing of ours that it may combine with.
                    if count == 0 {
                        replacement = "\u{FFFD}"
                    } else {
                        marks += 1
                        if marks > Self.maxMarks { continue }
                        replacement = scalar
                    }
                case .invisible:
                    replacement = "·"
                    marks = 0
                case .control:
                    replacement = "\u{FFFD}"
                    marks = 0
                }
            }
            if count == limit {
                if !output.isEmpty { output.removeLast() }
                output.append("…")
                break
            }
            output.append(replacement)
            count += 1
        }
        text = String(output)
    }

    package init(decoding bytes: some Collection<UInt8>, limit: Int = 1000) {
        self.init(String(decoding: bytes, as: UTF8.self), limit: limit)
    }

    /// The same, made for replies, of which every message has some.
    package init(decoding bytes: UnsafeRawBufferPointer, limit: Int = 1000) {
        self.init(String(decoding: bytes, as: UTF8.self), limit: limit)
    }

    package var description: String { text }

    private static func isPlain(_ string: String, limit: Int) -> Bool {
        var string = string
        return string.withUTF8 { bytes in
            bytes.count <= limit && bytes.allSatisfy { $0 >= 0x20 && $0 < 0x7F }
        }
    }

    private enum Role { case visible, mark, invisible, control }

    private static func role(of scalar: Unicode.Scalar) -> Role {
        let properties = scalar.properties
        // Zero-width characters, joiners, fillers, tags, bidi marks, overrides and isolates.
        if properties.isDefaultIgnorableCodePoint { return .invisible }
        switch properties.generalCategory {
        case .format: return .invisible
        case .control, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
            return .control
        case .nonspacingMark, .enclosingMark: return .mark
        case .spaceSeparator: return .visible
        default: return .visible
        }
    }
}
