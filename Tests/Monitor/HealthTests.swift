import Control
import Terminal
import Testing

@testable import Monitor

/// What is wrong with the daemon is on the screen, whatever its size, until it is over.
struct HealthTests {
    private static let sizes = [(40, 8), (80, 24), (200, 60)]
    private let full = "disk full: /var/lib/sluice/spool.db; make room there"
    private let files = "clients cannot connect: Too many open files; raise the limit"

    private func screen(
        _ columns: Int, _ rows: Int, _ prepare: (inout Session) -> Void
    ) throws -> String {
        var session = Session.ready(columns: columns, rows: rows)
        prepare(&session)
        return try session.screen(unicode: false).text
    }

    @Test func aSpoolThatCannotRecord() throws {
        for (columns, rows) in Self.sizes {
            let text = try screen(columns, rows) {
                $0.model.status?.spoolError = full
                // The worse of the two is shown.
                $0.model.status?.warning = files
            }
            #expect(text.contains("the spool cannot record"), "\(text)")
            #expect(!text.contains("clients cannot"))
            #expect(columns == 40 || text.contains("disk full"), "\(text)")
        }
    }

    @Test func aWarning() throws {
        for (columns, rows) in Self.sizes {
            let text = try screen(columns, rows) { $0.model.status?.warning = files }
            #expect(text.contains("clients cannot connect"), "\(text)")
            #expect(columns == 40 || text.contains("Too many open files"), "\(text)")
            #expect(!text.contains("cannot record"))
        }
    }

    @Test func neitherInGoodTimes() throws {
        for (columns, rows) in Self.sizes {
            let text = try screen(columns, rows) { _ in }
            #expect(!text.contains("cannot"), "\(text)")
        }
    }

    /// Whatever a system says, it cannot drive the terminal.
    @Test func itsTextIsSafe() throws {
        let text = try screen(80, 24) { $0.model.status?.warning = "a\u{1B}[2Jb\nc" }
        #expect(!text.unicodeScalars.contains("\u{1B}"))
        #expect(text.contains("a") && !text.contains("b\nc"))
    }
}
