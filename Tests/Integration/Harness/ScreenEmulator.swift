import CVTerm
import Glibc

/// What a terminal makes of the bytes that are written to it: libvterm's cells.
///
/// A program that draws with curses sends only what differs, in any order and cut anywhere, so that
/// what is on the screen cannot be found in what was sent.
final class ScreenEmulator {
    private let terminal: OpaquePointer
    private let screen: OpaquePointer

    init(rows: Int, columns: Int) {
        terminal = vterm_new(Int32(rows), Int32(columns))
        vterm_set_utf8(terminal, 1)
        screen = vterm_obtain_screen(terminal)
        vterm_screen_enable_altscreen(screen, 1)
        vterm_screen_reset(screen, 1)
    }

    deinit {
        vterm_free(terminal)
    }

    func resize(rows: Int, columns: Int) {
        vterm_set_size(terminal, Int32(rows), Int32(columns))
    }

    /// Takes what was written; returns what a terminal sends back, such as the answer to the
    /// question what it is.
    func feed(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let input = bytes.map { CChar(bitPattern: $0) }
        _ = vterm_input_write(terminal, input, input.count)
        var answer = [CChar](repeating: 0, count: vterm_output_get_buffer_current(terminal))
        let count = vterm_output_read(terminal, &answer, answer.count)
        return answer.prefix(count).map { UInt8(bitPattern: $0) }
    }

    /// The lines from the top, without the blanks at their ends.
    var lines: [String] {
        var rows: Int32 = 0
        var columns: Int32 = 0
        vterm_get_size(terminal, &rows, &columns)
        return (0..<rows).map { row in
            var line = ""
            var column: Int32 = 0
            while column < columns {
                var cell = VTermScreenCell()
                _ = vterm_screen_get_cell(screen, VTermPos(row: row, col: column), &cell)
                line += Self.text(of: cell)
                column += max(1, Int32(cell.width))
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }

    /// Its character with what combines with it; a blank where there is none.
    private static func text(of cell: VTermScreenCell) -> String {
        let scalars = withUnsafeBytes(of: cell.chars) { Array($0.bindMemory(to: UInt32.self)) }
        let text = scalars.prefix { $0 != 0 }.compactMap(Unicode.Scalar.init)
        return text.isEmpty ? " " : String(String.UnicodeScalarView(text))
    }
}
