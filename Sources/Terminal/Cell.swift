/// One column of one row.
package struct Cell: Hashable, Sendable {
    /// What stands there; 0 in the right half of a wide character.
    package var base: UInt32
    /// A combining mark over `base`, or 0.
    package var mark: UInt32
    package var style: Style

    package init(base: UInt32, mark: UInt32 = 0, style: Style) {
        self.base = base
        self.mark = mark
        self.style = style
    }

    package static func blank(_ style: Style) -> Cell { Cell(base: 0x20, style: style) }

    package var isRightHalf: Bool { base == 0 }
}
