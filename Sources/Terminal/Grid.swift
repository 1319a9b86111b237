/// What a screen shows: a cell for each column of each row. A value, drawn without a terminal.
package struct Grid: Equatable, Sendable {
    package enum Alignment: Sendable { case left, right, center }

    package let size: Size
    /// False: the terminal's locale has ASCII only, and everything else is drawn as `?`.
    package let unicode: Bool
    /// Row by row.
    package private(set) var cells: [Cell]
    /// Where the terminal's cursor is shown; nil: nowhere.
    package var cursor: (row: Int, column: Int)?

    package init(size: Size, unicode: Bool, style: Style) {
        self.size = size
        self.unicode = unicode
        cells = Array(repeating: .blank(style), count: size.columns * size.rows)
    }

    package static func == (a: Grid, b: Grid) -> Bool {
        a.size == b.size && a.unicode == b.unicode && a.cells == b.cells
            && a.cursor?.row == b.cursor?.row && a.cursor?.column == b.cursor?.column
    }

    package var bounds: Rect { Rect(row: 0, column: 0, rows: size.rows, columns: size.columns) }

    package subscript(row: Int, column: Int) -> Cell { cells[row * size.columns + column] }

    /// Empties a part and puts `ink` over what it looks like.
    package mutating func fill(_ rect: Rect, _ ink: Ink) {
        each(rect) { $0 = .blank(ink.over($0.style)) }
    }

    /// Empties a part and gives it a style of its own: for what lies on top of something else.
    package mutating func clear(_ rect: Rect, _ style: Style) {
        each(rect) { $0 = .blank(style) }
        // A wide character that the part cuts in two leaves no half behind.
        let rows = max(0, rect.row)..<max(0, min(rect.row + rect.rows, size.rows))
        for row in rows {
            if rect.column > 0, rect.column <= size.columns { mend(row, rect.column - 1) }
            mend(row, rect.column + rect.columns)
        }
    }

    /// Changes only how a part looks.
    package mutating func tint(_ rect: Rect, _ ink: Ink) {
        each(rect) { $0.style = ink.over($0.style) }
    }

    /// Draws a label and returns the column behind it. Nothing is drawn outside of the grid or
    /// beyond `width` columns; what does not fit ends in an ellipsis.
    @discardableResult
    package mutating func put(
        _ label: Label, row: Int, column: Int, width: Int = .max, _ ink: Ink = .none,
        align: Alignment = .left
    ) -> Int {
        guard row >= 0, row < size.rows, column < size.columns, width > 0 else { return column }
        let room = min(width, size.columns - column)
        let needed = label.columns
        var at = column
        if needed <= room {
            switch align {
            case .left: break
            case .right: if width != .max { at += room - needed }
            case .center: if width != .max { at += (room - needed) / 2 }
            }
            for character in label.text { at = put(character, row: row, column: at, ink) }
            return align == .left ? at : max(at, width == .max ? at : column + room)
        }
        let end = column + room - 1
        for character in label.text {
            if at + Label.columns(of: character) > end { break }
            at = put(character, row: row, column: at, ink)
        }
        while at < end { at = put(" ", row: row, column: at, ink) }
        return put(unicode ? "…" : "~", row: row, column: at, ink)
    }

    /// Draws one character and returns the column behind it.
    private mutating func put(
        _ character: Character, row: Int, column: Int, _ ink: Ink
    ) -> Int {
        var scalars = character.unicodeScalars.makeIterator()
        guard var base = scalars.next() else { return column }
        let width = CharacterWidth.columns(of: base)
        // A mark without a letter to stand on.
        if width == 0 { return column }
        var mark: UInt32 = 0
        if let next = scalars.next(), next.properties.generalCategory == .nonspacingMark,
            CharacterWidth.columns(of: next) == 0
        {
            mark = next.value
        }
        if base.value < 0x20 || (0x7F..<0xA0).contains(base.value)
            || (!unicode && base.value > 0x7E)
        {
            base = "?"
            mark = 0
        }
        let behind = column + width
        guard column >= 0, behind <= size.columns else { return behind }
        let index = row * size.columns + column
        let style = ink.over(cells[index].style)
        let wasRightHalf = cells[index].isRightHalf
        cells[index] = Cell(base: base.value, mark: mark, style: style)
        if width == 2 {
            // Without the character, both of its columns still count.
            cells[index + 1] = Cell(
                base: base == "?" ? 0x3F : 0, style: ink.over(cells[index + 1].style))
        }
        if wasRightHalf, column > 0 { cells[index - 1].base = 0x20 }
        mend(row, behind)
        return behind
    }

    /// Blanks a right half whose left half is gone, and a left half without its right one.
    private mutating func mend(_ row: Int, _ column: Int) {
        guard column >= 0, column < size.columns else { return }
        let index = row * size.columns + column
        if cells[index].isRightHalf {
            let left = column > 0 ? cells[index - 1].base : 0x20
            if left == 0 || !Self.isWide(left) { cells[index].base = 0x20 }
        } else if Self.isWide(cells[index].base),
            column + 1 >= size.columns || !cells[index + 1].isRightHalf
        {
            cells[index].base = 0x20
        }
    }

    private static func isWide(_ base: UInt32) -> Bool {
        base >= 0x1100 && Unicode.Scalar(base).map(CharacterWidth.columns) == 2
    }

    private mutating func each(_ rect: Rect, _ body: (inout Cell) -> Void) {
        let top = max(0, rect.row)
        let bottom = min(rect.row + rect.rows, size.rows)
        let left = max(0, rect.column)
        let right = min(rect.column + rect.columns, size.columns)
        guard top < bottom, left < right else { return }
        for row in top..<bottom {
            for index in (row * size.columns + left)..<(row * size.columns + right) {
                body(&cells[index])
            }
        }
    }
}

extension Grid {
    /// The characters of a row, without the blanks at its end.
    package func text(row: Int) -> String {
        var text = ""
        var blanks = 0
        for cell in cells[(row * size.columns)..<((row + 1) * size.columns)] {
            if cell.isRightHalf { continue }
            if cell.base == 0x20, cell.mark == 0 {
                blanks += 1
                continue
            }
            text += String(repeating: " ", count: blanks)
            blanks = 0
            for value in [cell.base, cell.mark] where value != 0 {
                if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) }
            }
        }
        return text
    }

    /// All rows, each with a line feed.
    package var text: String {
        (0..<size.rows).map { text(row: $0) + "\n" }.joined()
    }
}
