/// What came from the keyboard or the mouse.
package enum Key: Hashable, Sendable {
    case character(Character)
    case control(Character)
    case enter, escape, tab, backTab, backspace, delete, insert
    case up, down, left, right, pageUp, pageDown, home, end
    case function(Int)
    /// Bracketed: text, whatever it contains. At most `KeyDecoder.pasteLimit` bytes of it.
    case paste(String)
    case mouse(Mouse)

    package struct Mouse: Hashable, Sendable {
        package enum Action: Hashable, Sendable { case press, release, wheelUp, wheelDown }

        package var action: Action
        /// From 0 at the upper left.
        package var row: Int
        package var column: Int

        package init(action: Action, row: Int, column: Int) {
            self.action = action
            self.row = row
            self.column = column
        }
    }
}
