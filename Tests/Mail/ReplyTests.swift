import Testing

@testable import Mail

@Suite struct ReplyTests {
    @Test(arguments: [("4.7.28", 4, 7, 28), ("2.0.0", 2, 0, 0), ("5.999.999", 5, 999, 999)])
    func parsesEnhancedCodes(text: String, klass: Int, subject: Int, detail: Int) {
        let code = EnhancedCode.parse(text)
        #expect(code == EnhancedCode(klass, subject, detail))
        #expect(code?.description == text)
    }

    @Test(arguments: [
        "", "4", "4.7", "4.7.", "3.1.1", "1.1.1", "4.07.1", "4.7.1000", "4.7.1 ", "4.7.1x",
        "-4.7.1", "4.7.1.1", "٤.7.1",
    ])
    func refusesEnhancedCodes(text: String) {
        if text == "4.7.1 " {
            #expect(EnhancedCode.parse(text) == EnhancedCode(4, 7, 1))
        } else {
            #expect(EnhancedCode.parse(text) == nil)
        }
    }

    @Test func takesAPrefix() {
        var text = "5.1.1  No such user"[...]
        #expect(EnhancedCode.takePrefix(&text) == EnhancedCode(5, 1, 1))
        #expect(text == "No such user")
        var version = "2.0.0-beta"[...]
        #expect(EnhancedCode.takePrefix(&version) == nil)
        #expect(version == "2.0.0-beta")
    }

    @Test func textIsOneLine() {
        let reply = Reply(
            code: 421, enhanced: EnhancedCode(4, 7, 28),
            lines: ["Our system has detected", "", "an unusual rate"])
        #expect(reply.text == "421 4.7.28 Our system has detected an unusual rate")
        #expect(Reply(250, nil, "").text == "250")
        #expect(reply.isTransient && !reply.isPermanent && !reply.isPositive)
    }

    @Test func textIsBounded() {
        let reply = Reply(
            code: 550, enhanced: nil, lines: Array(repeating: "äöü wörds", count: 1000))
        #expect(reply.text.utf8.count <= Reply.textLimit)
        #expect(reply.text.hasSuffix("…"))
    }

    @Test func localRepliesHaveNoCode() {
        let reply = Reply.local(EnhancedCode(4, 4, 2), "Connection lost")
        #expect(reply.isLocal && reply.isTransient)
        #expect(reply.text == "4.4.2 Connection lost")
        #expect(Reply.local(EnhancedCode(5, 6, 7), "x").isPermanent)
    }
}

@Suite struct XtextTests {
    @Test func roundTrip() {
        #expect(Xtext.encode("a+b=c d") == "a+2Bb+3Dc+20d")
        #expect(Xtext.decode("a+2Bb+3Dc+20d") == "a+b=c d")
        #expect(Xtext.decode("a+2") == "a+2")
        #expect(Xtext.decode("+zz+2b") == "+zz+2b")
    }

    @Test(arguments: [
        ("abc", true), ("+2B", true), ("+2b", false), ("+2", false), ("+", false), ("a=b", false),
        ("a b", false), ("é", false), ("", true),
    ])
    func validity(text: String, valid: Bool) {
        #expect(Xtext.isValid(text.utf8) == valid)
    }

    @Test func utf8WhereAllowed() {
        #expect(Xtext.isValid("é".utf8, allowUTF8: true))
    }
}

@Suite struct DateHeaderTests {
    @Test(arguments: [
        (0, "Thu, 01 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
        (-1, "Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_042, "Thu, 29 Feb 2024 23:59:59 +0000", "2024-02-29T23:59:59.042Z"),
        (4_107_542_400_000, "Mon, 01 Mar 2100 00:00:00 +0000", "2100-03-01T00:00:00.000Z"),
        (1_795_473_180_123, "Mon, 23 Nov 2026 22:33:00 +0000", "2026-11-23T22:33:00.123Z"),
        (Int64.max, "Fri, 31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59.999Z"),
        (Int64.min, "Mon, 01 Jan 0001 00:00:00 +0000", "0001-01-01T00:00:00.000Z"),
    ])
    func formats(milliseconds: Int64, header: String, iso: String) {
        let time = UnixTime(milliseconds: milliseconds)
        #expect(DateHeader.format(time) == header)
        #expect(DateHeader.iso8601(time) == iso)
    }

    /// Every day of four centuries follows the one before, by the calendar's plain rules.
    @Test func everyDayFollows() {
        var (year, month, day, weekday) = (1900, 1, 1, 1)
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        var wrong = 0
        for number in -25_567..<120_530 {
            let c = Civil(UnixTime(milliseconds: Int64(number) * 86_400_000))
            if (c.year, c.month, c.day, c.weekday) != (year, month, day, weekday) { wrong += 1 }
            let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0
            weekday = (weekday + 1) % 7
            day += 1
            if day > lengths[month - 1] + (month == 2 && leap ? 1 : 0) {
                (day, month) = (1, month + 1)
            }
            if month > 12 { (month, year) = (1, year + 1) }
        }
        #expect(wrong == 0)
        #expect(year == 2300)
    }
}
