import Control
import Foundation
import Glibc
import Logging
import Mail
import Settings
import Spool
import Testing

@testable import Manager

private let noon = UnixTime(milliseconds: 1_764_072_000_123)

@Suite struct LogLineTests {
    private func line(
        _ format: LogSettings.Format, _ fill: (inout LogLine) -> Void
    ) -> String {
        var line = LogLine(format, at: noon, level: "info", event: "attempt")
        fill(&line)
        line.end()
        return String(decoding: line.bytes, as: UTF8.self)
    }

    @Test func theFormats() {
        func fill(_ line: inout LogLine) {
            line.add("to", ["a@x.test", "b@x.test"])
            line.add("ms", 12)
            line.add("reply", "250 2.0.0 Ok")
            line.add("from", "")
        }
        #expect(
            line(.text, fill)
                == "2025-11-25T12:00:00.123Z info attempt to=a@x.test,b@x.test ms=12 "
                + "reply=\"250 2.0.0 Ok\" from=\"\"\n")
        #expect(
            line(.logfmt, fill)
                == "time=2025-11-25T12:00:00.123Z level=info event=attempt "
                + "to=a@x.test,b@x.test ms=12 reply=\"250 2.0.0 Ok\" from=\"\"\n")
        #expect(
            line(.json, fill)
                == #"{"time":"2025-11-25T12:00:00.123Z","level":"info","event":"attempt","#
                + #""to":["a@x.test","b@x.test"],"ms":12,"reply":"250 2.0.0 Ok","from":""}"# + "\n")
    }

    @Test func timesOfOneSecondAndOfOthers() {
        for (milliseconds, text) in [
            (1_764_072_000_123, "2025-11-25T12:00:00.123Z"),
            (1_764_072_000_009, "2025-11-25T12:00:00.009Z"),
            (1_764_072_001_000, "2025-11-25T12:00:01.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] as [(Int64, String)] {
            let line = LogLine(
                .text, at: UnixTime(milliseconds: milliseconds), level: "info", event: "x")
            #expect(String(decoding: line.bytes, as: UTF8.self) == "\(text) info x")
        }
    }

    /// What a receiver says is a value of its line and nothing else.
    @Test(arguments: [
        "two\r\nlines", "quote\" outcome=delivered", "back\\slash\\\"", "\u{1B}[2Jgone",
        "\u{202E}turned", "null\0byte", "\u{85}\u{2028}\u{2029}", "tab\there", "=", "a b",
        "naïve", String(repeating: "x", count: 100_000),
    ])
    func hostileValues(_ value: String) throws {
        for format in LogSettings.Format.allCases {
            let text = line(format) {
                $0.add("reply", value)
                $0.add("from", [value, value])
                $0.add("last", "end")
            }
            #expect(text.last == "\n")
            #expect(
                text.dropLast().unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
            #expect(text.utf8.count < 60_000)
            #expect(!text.unicodeScalars.contains("\u{202E}"))
            #expect(!text.unicodeScalars.contains("\u{2028}"))
            guard format == .json else {
                #expect(text.hasSuffix(" last=end\n"))
                // Nothing but our three keys stands outside of quotes.
                #expect(unquoted(text).components(separatedBy: "outcome=").count == 1)
                continue
            }
            let object = try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
            #expect(object["reply"] as? String == SafeText(value, limit: 4000).text)
            #expect(object["last"] as? String == "end")
            #expect(object.count == 6)
        }
    }

    private func unquoted(_ text: String) -> String {
        var output = ""
        var isQuoted = false
        var isEscaped = false
        for character in text {
            if isQuoted {
                if isEscaped {
                    isEscaped = false
                } else if character == "\\" {
                    isEscaped = true
                } else if character == "\"" {
                    isQuoted = false
                }
            } else if character == "\"" {
                isQuoted = true
            } else {
                output.append(character)
            }
        }
        return output
    }

    @Test func hostileKeysOfMetadata() throws {
        try withLog(.text) { log, read in
            let logger = Logger(label: "") { _ in
                LineLogHandler(log: log, level: .info) { noon }
            }
            logger.info("hello\nworld", metadata: ["a b\"": "c d", "n": "1"])
            log.flush()
            #expect(read() == "2025-11-25T12:00:00.123Z info hello␊world a_b_=\"c d\" n=1\n")
        }
    }
}

/// A log into a file, and what is in the file.
private func withLog(
    _ format: LogSettings.Format, _ body: (LineLog, () -> String) throws -> Void
) throws {
    try withFile { path in
        let log = try LineLog(.file(path), format: format)
        defer { log.close() }
        try body(log) { contents(path) }
    }
}

private func withFile(_ body: (String) throws -> Void) throws {
    let directory = NSTemporaryDirectory() + "sluice-log-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory + "/sluice.log")
}

private func contents(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
}

@Suite struct LineLogTests {
    private func bytes(_ text: String) -> [UInt8] { Array((text + "\n").utf8) }

    @Test func linesKeepTheirOrderAndAllArrive() throws {
        try withLog(.text) { log, read in
            for number in 0..<50_000 { log.append(bytes("line \(number)")) }
            log.flush(within: .seconds(600))
            #expect(read() == (0..<50_000).map { "line \($0)\n" }.joined())
            #expect(log.dropped == 0)
        }
    }

    /// Nobody takes anything from the pipe: what does not fit is dropped, and nobody waits.
    @Test func aReaderThatStandsStillDropsLinesOnly() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        defer { for end in ends { Glibc.close(end) } }
        let log = try LineLog(.descriptor(ends[1]), format: .json, capacity: 100_000)
        let line = bytes(String(repeating: "x", count: 999))
        for _ in 0..<1000 { log.append(line, now: true) }
        let dropped = log.dropped
        #expect(dropped > 500)
        // Once it reads again the rest comes, and how many are missing: in one line or in several, as
        // the thread came to write while there was room or after it.
        var text = ""
        var missing = 0
        while missing < dropped || !text.hasSuffix("\n") {
            var buffer = [UInt8](repeating: 0, count: 65536)
            let count = read(ends[0], &buffer, buffer.count)
            #expect(count > 0)
            text += String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
            missing = text.matches(of: /"event":"lines of the log were dropped","lines":"(\d+)"}\n/)
                .reduce(0) { $0 + (Int($1.1) ?? 0) }
        }
        #expect(missing == dropped)
        #expect(text.split(separator: "\n").count { $0.first == "x" } == 1000 - dropped)
        log.close()
    }

    @Test func rotationLosesNothing() throws {
        try withFile { path in
            let log = try LineLog(.file(path))
            for number in 0..<10_000 {
                log.append(bytes("line \(number)"))
                if number % 2500 == 1250 {
                    #expect(rename(path, path + ".\(number)") == 0)
                    #expect(log.reopen())
                    log.flush(within: .seconds(600))
                }
            }
            log.close()
            let files =
                [1250, 3750, 6250, 8750].map { contents(path + ".\($0)") } + [contents(path)]
            #expect(files.joined() == (0..<10_000).map { "line \($0)\n" }.joined())
        }
    }

    @Test func aFileThatCannotBeOpenedAgainGoesOn() throws {
        try withFile { path in
            let log = try LineLog(.file(path))
            let directory = (path as NSString).deletingLastPathComponent
            #expect(rename(directory, directory + ".away") == 0)
            log.reopen()
            log.append(bytes("still here"))
            log.flush(within: .seconds(600))
            #expect(rename(directory + ".away", directory) == 0)
            #expect(contents(path).contains("warning going on in the old log error="))
            #expect(contents(path).hasSuffix("still here\n"))
            log.close()
        }
    }

    /// A reload: what was said before stays where it belongs and as it was, the rest goes to the
    /// new file in the new format; and it is the new one that is rotated.
    @Test func anotherFileAndFormat() throws {
        try withFile { path in
            let log = try LineLog(.file(path), now: { noon })
            let logger = Logger(label: "") { _ in LineLogHandler(log: log) { noon } }
            logger.info("one")
            logger.debug("not said")
            try log.change(to: .file(path + ".2"), format: .json, level: .debug)
            logger.debug("two")
            try log.change(to: .file(path + ".3"), format: .logfmt, level: .notice)
            logger.info("not said")
            logger.notice("three")
            log.flush(within: .seconds(600))
            #expect(contents(path) == "2025-11-25T12:00:00.123Z info one\n")
            // Nobody was quick enough to write to the second.
            #expect(contents(path + ".3").contains("level=notice event=three\n"))
            #expect((contents(path + ".2") + contents(path + ".3")).contains(#""event":"two""#))
            #expect(throws: LineLog.OpenError.self) {
                try log.change(to: .file("/nonexistent/log"), format: .text, level: .info)
            }
            #expect(log.format == .logfmt && log.level == .notice)
            #expect(rename(path + ".3", path + ".4") == 0)
            #expect(log.reopen())
            logger.notice("four")
            log.close()
            #expect(contents(path + ".3").hasSuffix("event=four\n"))
            #expect(contents(path + ".4").hasSuffix("event=three\n"))
        }
    }

    @Test func noLinesOfAttemptsAboveInfo() throws {
        try withFile { path in
            let log = try LineLog(.file(path), level: .notice)
            #expect(!log.hasInfo)
            try log.change(to: .file(path), format: .text, level: .debug)
            #expect(log.hasInfo)
            log.close()
        }
    }

    @Test func noFileNoLog() throws {
        #expect(throws: LineLog.OpenError.self) { try LineLog(.file("/nonexistent/sluice.log")) }
        let log = try LineLog(.descriptor(-1))
        #expect(!log.reopen())
        // Nobody reads it, and nobody minds.
        log.append(bytes("x"), now: true)
        log.close()
    }

    @Test func aSharedFileIsFoundAgainAfterItWasMoved() throws {
        try withFile { path in
            let log = try LineLog(.sharedFile(path))
            log.append(bytes("one"))
            log.flush(within: .seconds(600))
            #expect(rename(path, path + ".1") == 0)
            log.append(bytes("two"))
            log.close()
            #expect(contents(path + ".1") == "one\n")
            #expect(contents(path) == "two\n")
        }
    }
}

@Suite struct AttemptLogTests {
    private func report(_ recipients: [(String, RecipientReport)]) -> AttemptReport {
        var report = AttemptReport(
            number: 1, delivery: DeliveryID(message: MessageID(rawValue: 0x2f1), ordinal: 0),
            destination: 1, disposition: .settled, attempts: 2, due: noon + .seconds(60),
            remote: "mx.rcpt.test [192.0.2.1]", tls: "TLSv1.3", milliseconds: 31,
            recipients: recipients.map(\.1), reply: "250 2.0.0 Ok", at: noon)
        report.trail.sender = "s@sender.test"
        report.trail.recipients = recipients.map(\.0)
        report.trail.connect = 3
        report.trail.mail = 10
        report.trail.data = 18
        return report
    }

    private func lines(_ report: AttemptReport) throws -> [String] {
        var text = ""
        try withLog(.text) { log, read in
            AttemptLog(log: log).write(report, destination: nil, worker: 2)
            log.flush(within: .seconds(600))
            text = read()
        }
        return text.split(separator: "\n").map(String.init)
    }

    private let delivered = RecipientReport(outcome: .delivered, reply: "250 2.0.0 Ok")

    @Test func oneLineForOneOutcome() throws {
        let lines = try lines(report([("a@x.test", delivered), ("b@x.test", delivered)]))
        #expect(
            lines == [
                "2025-11-25T12:00:00.123Z info attempt message=2f1 delivery=2f1.0 "
                    + "outcome=delivered from=s@sender.test to=a@x.test,b@x.test worker=2 "
                    + "mx=\"mx.rcpt.test [192.0.2.1]\" tls=TLSv1.3 attempts=2 ms=31 connect_ms=3 "
                    + "mail_ms=10 data_ms=18 reply=\"250 2.0.0 Ok\""
            ])
    }

    @Test func withoutTLSItSaysSo() throws {
        var report = report([("a@x.test", delivered)])
        report.tls = ""
        #expect(try lines(report)[0].contains(" tls=none "))
        report.remote = ""
        #expect(try !lines(report)[0].contains("tls="))
    }

    @Test func oneLineForEachOutcome() throws {
        var report = report([
            ("a@x.test", delivered),
            ("b@x.test", RecipientReport(outcome: .failed, reply: "550 5.1.1 No")),
            ("c@x.test", RecipientReport(outcome: .deferred, reply: "450 4.2.0 Later")),
        ])
        report.disposition = .retry
        let lines = try lines(report)
        #expect(lines.count == 3)
        #expect(lines[0].contains(" outcome=delivered ") && lines[0].contains(" to=a@x.test "))
        #expect(lines[1].contains(" outcome=failed ") && lines[1].contains(" to=b@x.test "))
        #expect(lines[2].contains(" outcome=deferred ") && lines[2].contains(" to=c@x.test "))
        #expect(lines[2].hasSuffix(" next=2025-11-25T12:01:00.123Z reply=\"450 4.2.0 Later\""))
        #expect(lines.count { $0.contains(" next=") } == 1)
    }

    @Test func manyRecipientsTakeMoreLines() throws {
        let lines = try lines(report((0..<250).map { ("u\($0)@x.test", delivered) }))
        #expect(lines.count == 3)
        #expect(lines[2].contains("to=u200@x.test,u201@x.test"))
    }

    @Test func anEndWithoutAnAttempt() throws {
        var report = report([])
        report.disposition = .expired
        report.reply = ""
        let lines = try lines(report)
        #expect(lines.count == 1)
        #expect(lines[0].contains(" outcome=expired "))
    }
}
