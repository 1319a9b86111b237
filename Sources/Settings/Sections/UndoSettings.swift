/// `[undo]`: what stands between an operator and a mistake.
package struct UndoSettings: Hashable, Sendable, Codable {
    /// How long a purge can be taken back before anything is deleted.
    package var purgeWindow: Duration = .seconds(30)
    /// An action on more deliveries than this is confirmed by typing their number.
    package var confirmAbove = 100

    package init() {}

    mutating func read(_ reader: TableReader) {
        reader.read("purge_window", .duration(.zero...(.seconds(86400))), into: &purgeWindow)
        reader.read("confirm_above", .integer(0...(.max)), into: &confirmAbove)
    }
}
