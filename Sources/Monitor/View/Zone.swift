import Terminal

/// What a press of the mouse on a part of the screen means.
enum Zone: Hashable, Sendable {
    case command(Command.ID)
    case page(PageKind)
    case sort(String)
    /// A field or a button of a preview.
    case focus(Preview.Focus)
    /// A line of a menu or of the palette.
    case choice(Int)
}

extension Painter {
    /// What is drawn there can be pressed.
    mutating func mark(_ zone: Zone, row: Int, column: Int, width: Int) {
        guard width > 0 else { return }
        zones.append((Rect(row: row, column: column, rows: 1, columns: width), zone))
    }
}

extension Model {
    /// What is drawn at a place, the topmost first: the screen is drawn anew to find out, so that
    /// no place is known twice.
    func zone(row: Int, column: Int) -> Zone? {
        let painter = draw(self, size: size, look: .plain)
        return painter.zones.last { zone in
            zone.rect.row == row
                && (zone.rect.column..<(zone.rect.column + zone.rect.columns)).contains(column)
        }?.zone
    }
}

extension Look {
    /// For finding places: as wide as any look, without its colours.
    static let plain = Look(
        theme: Theme(name: "plain", variant: .any, contrast: nil, inks: [:]),
        capabilities: Capabilities(depth: .mono, unicode: false))
}
