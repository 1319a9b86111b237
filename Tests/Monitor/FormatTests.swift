import Mail
import Terminal
import Testing

@testable import Monitor

struct FormatTests {
    @Test func counts() {
        let expected: [(Int, Label)] = [
            (0, "0"), (999, "999"), (1000, "1,000"), (12_408, "12,408"), (99_999, "99,999"),
            (124_080, "124k"), (1_240_800, "1.24M"), (12_408_000, "12M"),
            (3_000_000_000, "3G"), (-5, "-5"),
        ]
        for (count, text) in expected { #expect(Format.count(count) == text) }
        #expect(Format.exact(1_240_800) == "1,240,800")
        #expect(Format.exact(1_000_007) == "1,000,007")
        #expect(!Format.exact(.min).isEmpty)
    }

    @Test func rates() {
        let expected: [(Double, Label)] = [
            (0, "0"), (0.04, "0"), (0.2, "0.2"), (1, "1"), (9.84, "9.8"), (9.96, "10"),
            (798.4, "798"), (12_400, "12,000"), (.nan, "0"),
        ]
        for (rate, text) in expected { #expect(Format.rate(rate) == text, "\(rate)") }
    }

    @Test func times() {
        let toGo: [(Double, Label)] = [
            (0.1, "1s"), (42, "42s"), (59.5, "1:00"), (723, "12:03"), (7500, "2h05m"),
            (273_132, "3d03h"), (1e300, "never"), (-3, "0s"),
        ]
        for (seconds, text) in toGo { #expect(Format.countdown(seconds) == text, "\(seconds)") }
        let gone: [(Double, Label)] = [
            (0.9, "0s"), (61, "1m"), (11_100, "3h05"), (40_000, "11h"), (187_200, "2d04"),
            (999_999, "11d"),
        ]
        for (seconds, text) in gone { #expect(Format.age(seconds) == text, "\(seconds)") }
        #expect(Format.uptime(273_132) == "3d 03:52:12")
        #expect(Format.clock(Fixture.now, offset: 0) == "03:04:05")
        #expect(Format.clock(Fixture.now, offset: -4 * 3600) == "23:04:05")
        #expect(Format.bytes(14_200_000) == "14 MB")
        #expect(Format.bytes(980) == "980 B")
        #expect(Format.bytes(1_240) == "1.2 kB")
    }

    @Test func columnsFitAndNeverOverlap() {
        let standard = Column.standard.filter { $0 != .host && $0 != .node }
        for width in 0...400 {
            let columns = Column.fitted(width, of: standard)
            let used = columns.reduce(-1) { $0 + $1.width + 1 }
            #expect(used <= max(1, width), "\(width)")
            #expect(columns.contains { $0.column == .name })
        }
        #expect(
            Column.fitted(38, of: standard).map(\.column) == [
                .state, .name, .queued, .connections, .retry, .oldest,
            ])
        #expect(Column.fitted(198, of: standard).map(\.column) == standard)
        // Where there are several hosts, whose a row is does not give way to what is less asked for.
        let several = Column.standard.filter { $0 != .node }
        #expect(
            Column.fitted(78, of: several).contains { $0.column == .host && $0.width >= 7 })
    }

    @Test func gauges() {
        let gauge = Gauge(glyphs: .unicode)
        #expect(
            gauge.window(connections: 3, window: 5, limit: 8, columns: 8).label == "▮▮▮▯▯···")
        #expect(gauge.window(connections: 1, window: 1, limit: 200, columns: 5).label == "▮····")
        #expect(gauge.window(connections: 0, window: 0, limit: 0, columns: 3).label == "·  ")
        #expect(gauge.bar(0.5, columns: 4, .tokens).label == "██··")
        #expect(gauge.bar(0.33, columns: 3, .tokens).label == "█··")
        #expect(gauge.bar(0.7, columns: 2, .tokens).label == "█▍")
        #expect(gauge.spark([0, 4, 8], columns: 4).label == " ▁▄█")
    }

    @Test func textFields() {
        var field = TextField("state = x")
        _ = field.edit(.control("w"))
        #expect(field.text == "state = ")
        _ = field.edit(.home)
        _ = field.edit("a")
        _ = field.edit(.delete)
        #expect(field.text == "atate = ")
        _ = field.edit(.control("k"))
        #expect(field.text == "a")
        field.insert("b\u{1B}[\r\nc")
        #expect(field.text == "ab[ c")
        #expect(field.edit(.pageUp) == false)
        field.insert(String(repeating: "x", count: 10_000))
        #expect(field.characters.count == TextField.limit)
    }
}
