/// A colour of a cell: the terminal's own, or one of its 256. 0…15 are the user's palette.
package struct Color: Hashable, Sendable {
    /// -1: the terminal's own.
    package let index: Int16

    package static let terminal = Color(index: -1)

    private init(index: Int16) {
        self.index = index
    }

    package init(_ index: UInt8) {
        self.index = Int16(index)
    }
}

package struct Attributes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let bold = Attributes(rawValue: 1)
    package static let dim = Attributes(rawValue: 2)
    package static let italic = Attributes(rawValue: 4)
    package static let underline = Attributes(rawValue: 8)
    package static let reverse = Attributes(rawValue: 16)
}

/// How a cell looks.
package struct Style: Hashable, Sendable {
    package var foreground: Color
    package var background: Color
    package var attributes: Attributes

    package init(
        foreground: Color = .terminal, background: Color = .terminal, attributes: Attributes = []
    ) {
        self.foreground = foreground
        self.background = background
        self.attributes = attributes
    }
}

/// What drawing changes of the style that a cell has: nil leaves what is there. So text keeps
/// the surface that it is drawn on, and a cursor row keeps the colours of its text.
package struct Ink: Hashable, Sendable {
    package var foreground: Color?
    package var background: Color?
    package var attributes: Attributes

    package init(
        foreground: Color? = nil, background: Color? = nil, attributes: Attributes = []
    ) {
        self.foreground = foreground
        self.background = background
        self.attributes = attributes
    }

    package static let none = Ink()

    package func over(_ style: Style) -> Style {
        Style(
            foreground: foreground ?? style.foreground,
            background: background ?? style.background,
            attributes: style.attributes.union(attributes))
    }
}
