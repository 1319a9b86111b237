import Control
import Mail
import Testing

@testable import Commands

@Suite struct TableTests {
    private let table = Table(
        columns: [
            Table.Column("A", .right, priority: 3),
            Table.Column("NAME", priority: 9, minimum: 4),
            Table.Column("NOTE", priority: 1, minimum: 4),
        ],
        rows: [["1", "example.com", "short"], ["1000", "x.org", "a much longer note"]])

    @Test func natural() {
        #expect(
            table.lines(width: nil) == [
                "   A  NAME         NOTE",
                "   1  example.com  short",
                "1000  x.org        a much longer note",
            ])
    }

    @Test func columnsAreChosenAndOrdered() throws {
        #expect(
            try table.choosing("note, A").lines(width: nil) == [
                "NOTE                   A", "short                  1",
                "a much longer note  1000",
            ])
        for (list, message) in [
            ("a,colour", "no column 'colour'; there are a,name,note"), (",", "one"),
        ] {
            let error = #expect(throws: CommandFailure.self) { try table.choosing(list) }
            #expect(error?.message.contains(message) == true)
        }
    }

    @Test func progressFitsItsLine() {
        let progress = RunningAction(
            id: "p1", action: .purge, by: "ann", since: UnixTime(milliseconds: 0), phase: .changing,
            done: 310, total: 1240)
        #expect(PlanText.progress(progress, columns: 80).contains(" 37 %  purge 310 of 1,240"))
        for columns in 1...200 {
            #expect(PlanText.progress(progress, columns: columns).count < columns)
        }
    }

    @Test func shrinksTheLeastImportantFirst() {
        #expect(
            table.lines(width: 26) == [
                "   A  NAME         NOTE",
                "   1  example.com  short",
                "1000  x.org        a much…",
            ])
    }

    @Test func leavesOutTheLeastImportant() {
        #expect(
            table.lines(width: 13) == [
                "   A  NAME",
                "   1  exampl…",
                "1000  x.org",
            ])
        #expect(table.lines(width: 6, ellipsis: "~") == ["NAME", "examp~", "x.org"])
    }

    @Test func wideCharacters() {
        let wide = Table(
            columns: [Table.Column("N", priority: 2, minimum: 3), Table.Column("X", priority: 1)],
            rows: [["日本語", "1"], ["e\u{301}", "2"]])
        #expect(wide.lines(width: nil) == ["N       X", "日本語  1", "e\u{301}       2"])
        #expect(wide.lines(width: 8) == ["N      X", "日本…  1", "e\u{301}      2"])
    }

    /// Rows with every hostile text that there is.
    private var hostile: [Table] {
        let text = "a\u{1B}[2J\r\n\u{8}\u{202E}\u{9B}b\t" + String(repeating: "é", count: 60)
        var destination = DestinationRow(id: text, key: 1, name: text)
        destination.why = Why(kind: "x", text: text)
        destination.lastReply = text
        var message = MessageRow(
            id: text, message: text, sender: text, recipients: [text, text], domain: text,
            size: 1, receivedAt: .start, expiresAt: .start, state: .ready, attempts: 1,
            why: Why(kind: "x", text: text))
        message.destinationName = text
        message.lastReply = text
        let action = ActionRow(
            id: text, action: .purge, at: .start, by: text, reason: text, target: text,
            counts: Counts(), state: .undoable, undoUntil: .start, result: text)
        return [
            .destinations([destination, DestinationRow(id: "1", key: 2, name: "b")], now: .start),
            .messages([message], now: .start),
            .actions([action], now: .start) { _ in 0 },
            .workers([WorkerRow(id: 1, state: .running)], now: .start),
        ]
    }

    @Test func everyWidthFits() {
        for table in hostile {
            for width in 1...250 {
                for line in table.lines(width: width) {
                    #expect(TextWidth.of(line) <= width)
                }
            }
        }
    }

    @Test func nothingFromTheNetworkActsOnTheTerminal() {
        for table in hostile {
            for line in table.lines(width: nil) {
                #expect(
                    line.unicodeScalars.allSatisfy {
                        $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0 != "\u{202E}"
                    })
            }
        }
    }

    @Test func destinationRow() {
        var row = DestinationRow(id: "12", key: 1, name: "example.com (+2)")
        row.state = .backoff
        row.why = Why(kind: "breaker", text: "backing off after 421")
        row.breakerUntil = .start + .seconds(95)
        row.queued = 12_345
        row.connections = 0
        row.window = 5
        row.tokens = 3.7
        row.burst = 20
        row.oldestAt = UnixTime(milliseconds: UnixTime.start.milliseconds - 5_400_000)
        row.drainSeconds = 248
        row.worker = 2
        row.pin = 2
        row.attempts = 40
        row.lastReply = "421 4.7.28 slow down"
        let lines = Table.destinations([row], now: .start).lines(width: nil)
        #expect(
            lines[1]
                == "12  backoff  example.com (+2)  12,345   0/5    3/20  1m35s   1h30m    4m8s      2*  "
                + "         40  backing off after 421  421 4.7.28 slow down")
    }

    @Test func asciiTerminal() {
        let recorder = Recorder()
        recorder.console(width: 80, utf8: false).print(["é日x"])
        #expect(recorder.text == "???x\n")
        let piped = Recorder()
        piped.console(width: nil, utf8: false).print(["é"])
        #expect(piped.text == "é\n")
    }
}

@Suite struct WrappingTests {
    @Test func aLineThatFitsStays() {
        #expect(TextWidth.wrapped("state  ok", to: 9, indent: 4) == ["state  ok"])
    }

    @Test func goesOnBelowTheFacts() {
        #expect(
            TextWidth.wrapped("queue   12 messages, 3 deliveries", to: 20, indent: 8) == [
                "queue   12 messages,", "        3 deliveries",
            ])
    }

    @Test func aLongWordStaysWholeBesideItsLabel() {
        let word = String(repeating: "x", count: 40)
        #expect(
            TextWidth.wrapped("key     \(word) y", to: 20, indent: 8) == [
                "key     \(word)", "        y",
            ])
    }
}
