package import Terminal

/// Draws parts of the model into a grid. Each view is an extension in its own file.
struct Painter {
    var grid: Grid
    /// What can be pressed, what lies on top last.
    var zones: [(rect: Rect, zone: Zone)] = []
    let model: Model
    let look: Look
    let layout: Layout
    let glyphs: Glyphs

    init(model: Model, size: Size, look: Look) {
        self.model = model
        self.look = look
        glyphs = look.glyphs
        layout = Layout(size)
        grid = Grid(
            size: size, unicode: look.capabilities.unicode,
            style: look.theme.ground(look.capabilities.depth))
    }

    func ink(_ role: Role?) -> Ink { role.map(look.ink) ?? .none }

    /// Returns the column behind what was drawn.
    @discardableResult
    mutating func put(
        _ line: Line, row: Int, column: Int, width: Int, align: Grid.Alignment = .left
    ) -> Int {
        var at = column
        let needed = line.columns
        if needed < width {
            switch align {
            case .left: break
            case .right: at += width - needed
            case .center: at += (width - needed) / 2
            }
        }
        let end = column + width
        for span in line where at < end {
            at = grid.put(span.label, row: row, column: at, width: end - at, ink(span.role))
        }
        return at
    }

    mutating func put(
        _ label: Label, _ role: Role? = nil, row: Int, column: Int, width: Int,
        align: Grid.Alignment = .left
    ) {
        grid.put(label, row: row, column: column, width: width, ink(role), align: align)
    }

    mutating func fill(_ rect: Rect, _ role: Role) {
        grid.fill(rect, ink(role))
    }

    /// A row across the whole screen.
    func line(_ row: Int) -> Rect {
        Rect(row: row, column: 0, rows: 1, columns: grid.size.columns)
    }

    /// A box on top of everything, with a title; returns its inside.
    mutating func box(_ rect: Rect, title: Line, footer: Line = []) -> Rect {
        let style = look.ink(.dialog).over(look.theme.ground(look.capabilities.depth))
        grid.clear(rect, style)
        guard rect.rows >= 3, rect.columns >= 4 else { return rect }
        let border = ink(.border)
        let bottom = rect.row + rect.rows - 1
        let right = rect.column + rect.columns - 1
        let edge = Label(repeating: glyphs.horizontal, count: rect.columns - 2)
        grid.put(
            glyphs.upperLeft + edge + glyphs.upperRight, row: rect.row, column: rect.column, border)
        grid.put(
            glyphs.lowerLeft + edge + glyphs.lowerRight, row: bottom, column: rect.column, border)
        for row in (rect.row + 1)..<bottom {
            grid.put(glyphs.vertical, row: row, column: rect.column, border)
            grid.put(glyphs.vertical, row: row, column: right, border)
        }
        put(
            [Span(" ")] + title + [Span(" ")], row: rect.row, column: rect.column + 2,
            width: rect.columns - 4)
        if !footer.isEmpty, footer.columns + 6 <= rect.columns {
            put(
                [Span(" ")] + footer + [Span(" ")], row: bottom, column: rect.column + 2,
                width: rect.columns - 4)
        }
        return rect.inset(rows: 1, columns: 2)
    }

    /// The middle of the screen.
    func centered(rows: Int, columns: Int) -> Rect {
        let size = grid.size
        let rows = min(rows, size.rows)
        let columns = min(columns, size.columns)
        return Rect(
            row: (size.rows - rows) / 2, column: (size.columns - columns) / 2, rows: rows,
            columns: columns)
    }
}

/// The screen, as a value: the same model, size and look give the same grid.
package func render(_ model: Model, size: Size, look: Look) -> Grid {
    draw(model, size: size, look: look).grid
}

func draw(_ model: Model, size: Size, look: Look) -> Painter {
    var painter = Painter(model: model, size: size, look: look)
    guard size.rows > 0, size.columns > 0 else { return painter }
    painter.drawHeader()
    painter.drawNavigation()
    if model.past?.isMissing == true {
        painter.drawNotice("nothing of this page was recorded at that time")
    } else {
        model.page.draw(on: &painter)
    }
    if model.isStale { painter.dimData() }
    painter.drawStatus()
    painter.drawHints()
    // What lies under something else cannot be pressed.
    if model.overlay != nil { painter.zones.removeAll() }
    switch model.overlay {
    case .help(let scroll)?: painter.drawHelp(scroll: scroll)
    case .menu(let menu)?: painter.drawMenu(menu)
    case .palette(let palette)?: painter.drawPalette(palette)
    case .preview(let preview)?: painter.drawPreview(preview)
    case .filter(let prompt)?: painter.drawPrompt(prompt)
    case .columns(let chooser)?: painter.drawColumns(chooser)
    case .views(let menu)?: painter.drawViews(menu)
    case .time(let prompt)?: painter.drawTimePrompt(prompt)
    case nil: break
    }
    return painter
}
