import Mail
import Testing

@testable import Terminal

struct GridTests {
    private func grid(_ columns: Int, _ rows: Int = 1, unicode: Bool = true) -> Grid {
        Grid(size: Size(columns: columns, rows: rows), unicode: unicode, style: Style())
    }

    @Test func drawsAndReturnsTheColumnBehind() {
        var grid = grid(10)
        #expect(grid.put("abc", row: 0, column: 2) == 5)
        #expect(grid.text(row: 0) == "  abc")
    }

    @Test func clipsWithAnEllipsis() {
        var grid = grid(10)
        grid.put("abcdef", row: 0, column: 0, width: 4)
        #expect(grid.text(row: 0) == "abc…")
        var edge = self.grid(4)
        edge.put("abcdef", row: 0, column: 1)
        #expect(edge.text(row: 0) == " ab…")
        var ascii = self.grid(4, unicode: false)
        ascii.put("abcdef", row: 0, column: 0)
        #expect(ascii.text(row: 0) == "abc~")
    }

    @Test func nothingIsDrawnOutside() {
        var grid = grid(4, 2)
        grid.put("x", row: 2, column: 0)
        grid.put("x", row: -1, column: 0)
        grid.put("x", row: 0, column: 4)
        grid.put("x", row: 0, column: 0, width: 0)
        grid.fill(Rect(row: -3, column: -3, rows: 20, columns: 20), .none)
        #expect(grid.text == "\n\n")
    }

    @Test func alignment() {
        var grid = grid(8, 2)
        grid.put("ab", row: 0, column: 0, width: 6, align: .right)
        grid.put("ab", row: 1, column: 0, width: 6, align: .center)
        #expect(grid.text == "    ab\n  ab\n")
    }

    @Test func wideCharactersTakeTwoColumns() {
        var grid = grid(6)
        #expect(grid.put("日本x", row: 0, column: 0) == 5)
        #expect(grid[0, 1].isRightHalf)
        #expect(grid.text(row: 0) == "日本x")
        // One that does not fit is not cut in two.
        var narrow = self.grid(4)
        narrow.put("日本語", row: 0, column: 0, width: 4)
        #expect(narrow.text(row: 0) == "日 …")
    }

    @Test func halvesAreMended() {
        var left = grid(4)
        left.put("日本", row: 0, column: 0)
        left.put("x", row: 0, column: 1)
        #expect(left.text(row: 0) == " x本")
        var right = grid(4)
        right.put("日本", row: 0, column: 0)
        right.put("x", row: 0, column: 2)
        #expect(right.text(row: 0) == "日x")
        var box = grid(6)
        box.put("日本語", row: 0, column: 0)
        box.clear(Rect(row: 0, column: 1, rows: 1, columns: 4), Style())
        #expect(box.text(row: 0) == "")
    }

    @Test func oneMarkIsKept() {
        var grid = grid(6)
        grid.put(Label(SafeText("e\u{301}\u{302}x")), row: 0, column: 0)
        #expect(grid[0, 0].base == 0x65)
        #expect(grid[0, 0].mark == 0x301)
        #expect(grid[0, 1].base == 0x78)
    }

    @Test func joinedEmojiTakeTheirFirstsPlace() {
        var grid = grid(6)
        #expect(grid.put("👩‍👩‍👧x", row: 0, column: 0) == 3)
    }

    @Test func asciiReplacesTheRest() {
        var grid = grid(6, unicode: false)
        grid.put("aé日z", row: 0, column: 0)
        #expect(grid.text(row: 0) == "a???z")
    }

    @Test func inkKeepsWhatItDoesNotName() {
        var grid = grid(3)
        grid.fill(grid.bounds, Ink(background: Color(4)))
        grid.put("a", row: 0, column: 0, Ink(foreground: Color(1), attributes: .bold))
        grid.tint(grid.bounds, Ink(background: Color(7), attributes: .reverse))
        #expect(
            grid[0, 0].style
                == Style(
                    foreground: Color(1), background: Color(7), attributes: [.bold, .reverse]))
        #expect(grid[0, 1].style.foreground == .terminal)
    }

    @Test func widths() {
        let expected: [(Unicode.Scalar, Int)] = [
            ("a", 1), ("é", 1), ("日", 2), ("😀", 2), ("\u{301}", 0), ("\u{200D}", 0),
            ("\u{FE0F}", 0), ("▮", 1), ("▁", 1), ("●", 1), ("ｱ", 1), ("Ａ", 2), ("\u{1160}", 0),
            ("\u{AC00}", 2), ("\u{202E}", 0),
        ]
        for (scalar, columns) in expected {
            #expect(CharacterWidth.columns(of: scalar) == columns, "\(scalar.value)")
        }
    }

    @Test func labelsComposeOfSafeParts() {
        let label: Label = "\(SafeText("a\u{1B}[2J")) \(7) \(3, digits: 2)"
        #expect(!label.text.unicodeScalars.contains { $0.value < 0x20 })
        #expect(label.text.hasSuffix(" 7 03"))
        #expect(Label(ascii: [0x41, 0x1B, 0x42]).text == "A?B")
    }
}
