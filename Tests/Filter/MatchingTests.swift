import Filter
import Testing

@Suite struct MatchingTests {
    private let row: [String: FilterFieldValue] = [
        "name": .text("Example.com (+2)"),
        "domain": .list(["example.com", "example.net"]),
        "state": .text("backoff"),
        "worker": .number(2),
        "pinned": .flag(false),
        "queued": .number(1500),
        "held": .number(0),
        "age": .number(5400),
        "code": .number(451),
        "reply": .text("451 4.7.1 Greylisted, try again"),
    ]

    @Test(arguments: [
        ("domain = EXAMPLE.com", true),
        ("domain = example.org", false),
        ("domain != example.com", false),
        ("domain != example.org", true),
        ("domain = *.net", true),
        ("domain = exam?le.com", true),
        ("domain = *.com*.com", false),
        ("example", true),
        ("exampel", false),
        ("name = \"example.com (*)\"", true),
        ("reply ~ GREYLIST", true),
        ("reply !~ greylist", false),
        ("state = backoff and worker = 2", true),
        ("state = idle or worker != 2", false),
        ("not (state = idle or worker != 2)", true),
        ("queued > 1k and queued < 2k", true),
        ("queued >= 1500 and queued <= 1500", true),
        ("queued < 1500 or queued > 1500", false),
        ("age > 1h and age < 2h", true),
        ("code = 4xx", true),
        ("code = 5xx", false),
        ("code != 5xx", true),
        ("code = 451", true),
        ("code = 4.7.1", true),
        ("code = 4.7.x", true),
        ("code = 4.7.10", false),
        ("code != 4.7.1", false),
        ("pinned", false),
        ("not pinned", true),
        ("pinned = false", true),
        ("held", false),
    ])
    func table(text: String, expected: Bool) throws {
        let expression = try FilterExpression.parse(text, fields: .destinations)
        #expect(expression.matches { row[$0.name] } == expected)
    }

    /// A value that is missing only differs.
    @Test(arguments: [
        ("tokens = 0", false), ("tokens != 0", true), ("tokens < 5", false), ("tokens > 5", false),
        ("not tokens = 0", true), ("reply ~ a", false), ("reply !~ a", true),
        ("reply = *", false), ("paused", false), ("code = 4xx", false), ("code != 4xx", true),
    ])
    func missing(text: String, expected: Bool) throws {
        let expression = try FilterExpression.parse(text, fields: .destinations)
        #expect(expression.matches { _ in nil } == expected)
    }

    @Test(arguments: [
        ("", "", true), ("", "*", true), ("", "?", false), ("abc", "abc", true),
        ("abc", "a*", true), ("abc", "*c", true), ("abc", "a*b*c", true), ("abc", "a?c", true),
        ("abc", "a?", false), ("abc", "*b", false), ("ab", "a?b", false), ("aab", "*ab", true),
        ("é", "?", true), ("éa", "?a", true), ("日本", "??", true), ("日本", "?", false),
        ("mississippi", "m*iss*pi", true), ("mississippi", "m*iss*px", false),
        ("ABC", "abc", true), ("[", "{", false), ("É", "é", false),
    ])
    func glob(text: String, pattern: String, expected: Bool) {
        #expect(TextMatch.glob(text, pattern) == expected)
    }

    @Test func contains() {
        #expect(TextMatch.contains("Hello", "LLO"))
        #expect(TextMatch.contains("x", ""))
        #expect(!TextMatch.contains("", "x"))
        #expect(!TextMatch.contains("ab", "abc"))
        #expect(TextMatch.contains("aab", "ab"))
    }

    /// Many stars against a long text: the work stays bounded by text × pattern.
    @Test(.timeLimit(.minutes(15))) func pathologicalGlob() {
        let text = String(repeating: "a", count: 2_000)
        let pattern = String(repeating: "*a", count: 500) + "*b"
        #expect(!TextMatch.glob(text, pattern))
    }
}
