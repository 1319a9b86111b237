/// How many colours are used.
package enum ColorDepth: String, Hashable, Sendable, CaseIterable {
    case full = "256"
    /// The sixteen of the user's palette.
    case ansi16 = "16"
    /// None: attributes and letters only.
    case mono

    /// For what a terminal can, and what the environment asks for (https://no-color.org).
    package init(terminalColors: Int, noColor: Bool) {
        self = noColor || terminalColors < 8 ? .mono : terminalColors < 256 ? .ansi16 : .full
    }
}

package struct Capabilities: Hashable, Sendable {
    package var depth: ColorDepth
    /// Characters beyond ASCII may be drawn.
    package var unicode: Bool

    package init(depth: ColorDepth, unicode: Bool) {
        self.depth = depth
        self.unicode = unicode
    }
}
