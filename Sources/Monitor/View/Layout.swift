import Terminal

/// Which line shows what: a function of the size alone, shared by keys and drawing.
struct Layout: Hashable, Sendable {
    /// One line with the most needed, 2 with totals, 4 with rates and workers.
    let headerRows: Int
    /// Where the page is in the stack, and the digits of the others; nil: the bar says the first.
    let navigationRow: Int?
    /// The table or the page in its place, heading included.
    let body: Rect
    /// Why the row under the cursor waits, and its last reply.
    let strip: Rect
    /// What was done, the position; nil: shares the strip's line.
    let statusRow: Int?
    let hintRow: Int?

    init(_ size: Size) {
        let rows = size.rows
        headerRows = rows < 12 ? min(rows, 1) : rows < 16 ? 2 : 4
        let gap = rows >= 30 ? 1 : 0
        navigationRow = rows >= 20 ? headerRows + gap : nil
        let top = headerRows + gap + (navigationRow == nil ? 0 : 1)
        var bottom = rows
        hintRow = rows >= 5 ? bottom - 1 : nil
        if hintRow != nil { bottom -= 1 }
        statusRow = rows >= 12 ? bottom - 1 : nil
        if statusRow != nil { bottom -= 1 }
        let stripRows = rows < 6 ? 0 : rows < 20 ? 1 : 2
        bottom -= stripRows
        strip = Rect(row: bottom, column: 0, rows: stripRows, columns: size.columns)
        body = Rect(
            row: top, column: 0, rows: bottom - top, columns: size.columns)
    }

    /// The lines of rows, without the heading.
    var table: Rect {
        let heading = body.rows >= 2 ? 1 : 0
        return Rect(
            row: body.row + heading, column: 0, rows: body.rows - heading,
            columns: body.columns)
    }

    var tableRows: Int { table.rows }

    /// The body and the strip: for pages without a cursor.
    var page: Rect {
        Rect(row: body.row, column: 0, rows: body.rows + strip.rows, columns: body.columns)
    }

    var pageRows: Int { max(0, page.rows) }
}

extension Model {
    var layout: Layout { Layout(size) }
}
