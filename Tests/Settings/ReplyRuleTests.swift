import Mail
import Scheduler
import Testing

@testable import Settings

@Suite struct ReplyRuleTests {
    private func load(_ rules: String) throws -> Configuration {
        try Configuration.load(text: rules, file: "/s.toml")
    }

    private func problems(_ text: String) -> [String] {
        do {
            _ = try Configuration.load(text: text, file: "/s.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    private let names = DestinationNames(
        identity: "192.0.2.10,192.0.2.11", domains: ["example.com", "example.org"],
        exchangers: ["mx1.provider.test"])

    private func treat(
        _ text: String, _ stage: Stage = .rcpt, in configuration: Configuration,
        at names: DestinationNames? = nil
    ) -> Treatment {
        let rules = ReplyRules(configuration)
        return rules.treatment(
            of: Reply(stored: text), stage: stage,
            among: rules.selection(for: names ?? self.names))
    }

    @Test func everyConditionHasToHold() throws {
        let configuration = try load(
            """
            [[rules]]
            name = "one"
            match = "*.provider.test"
            code = ["421", 451]
            enhanced = ["4.7.*", "4.3.1-2"]
            text = "slow (down|up)"
            stage = ["mail", "rcpt"]
            action = "suspend"
            time = "30m"
            source = "https://provider.test/codes"
            """)
        #expect(configuration.rules[0].source == "https://provider.test/codes")
        let hit = Treatment(.suspend(.seconds(1800)), by: configuration.rules[0])
        #expect(hit.rule == "one")
        #expect(treat("421 4.7.28 Please SLOW down", in: configuration) == hit)
        #expect(treat("451 4.3.2 slow up", .mail, in: configuration) == hit)
        // One condition at a time does not hold.
        #expect(treat("450 4.7.28 slow down", in: configuration).rule == nil)
        #expect(treat("421 4.3.3 slow down", in: configuration).rule == nil)
        #expect(treat("421 slow down", in: configuration).rule == nil)
        #expect(treat("421 4.7.28 go away", in: configuration).rule == nil)
        #expect(treat("421 4.7.28 slow down", .dot, in: configuration).rule == nil)
        let others = DestinationNames(identity: "x", domains: ["other.test"], exchangers: [])
        #expect(treat("421 4.7.28 slow down", in: configuration, at: others).rule == nil)
    }

    @Test(arguments: [
        ("recipient", Treatment.Outcome.wait(.recipient)), ("greylist", .wait(.greylisted)),
        ("full", .wait(.full)), ("message", .wait(.content)),
        ("throttle-rate", .wait(.destination)), ("throttle-connections", .wait(.crowded)),
        ("throttle-connection-rate", .wait(.hurried)),
        ("bounce", .fail), ("elsewhere", .elsewhere),
    ])
    func actions(_ word: String, _ outcome: Treatment.Outcome) throws {
        let configuration = try load(
            """
            [[rules]]
            text = "magic words"
            action = "\(word)"
            """)
        for code in ["450", "550"] {
            let treatment = treat("\(code) magic words", in: configuration)
            #expect(treatment.outcome == outcome)
            #expect(treatment.rule == "rules[1]")
            #expect(!treatment.explanation.isEmpty)
        }
    }

    @Test func theFirstRuleDecidesAndTheOperatorsComeFirst() throws {
        let configuration = try load(
            """
            [[rules]]
            name = "exception"
            match = "example.com"
            text = "greylisted for now"
            action = "none"

            [[rules]]
            name = "mine"
            text = "greylisted"
            action = "bounce"
            """)
        #expect(
            treat("450 4.2.0 Greylisted for now", in: configuration)
                == Treatment(.wait(.greylisted), by: configuration.rules[0]))
        #expect(treat("450 4.2.0 Greylisted, see …", in: configuration).outcome == .fail)
        // Without them the built-in rule says what it is.
        #expect(treat("450 4.2.0 Greylisted, see …", in: Configuration()).rule == "greylist")
        var without = Configuration()
        without.builtInRules = false
        #expect(treat("450 4.2.0 Greylisted, see …", in: without).rule == nil)
        #expect(treat("450 4.2.0 Greylisted", in: without).outcome == .wait(.greylisted))
    }

    @Test func whatNoServerSaidMatchesNothing() throws {
        let configuration = try load(
            """
            [[rules]]
            text = "."
            action = "bounce"
            """)
        let rules = ReplyRules(configuration)
        let all = rules.selection(for: names)
        let lost = Reply.local(EnhancedCode(4, 4, 2), "Connection lost")
        for stage in Stage.allCases {
            #expect(rules.first(for: lost, stage: stage, among: all) == nil)
            #expect(rules.treatment(of: lost, stage: stage, among: all).outcome != .fail)
        }
        // Nor what was said about TLS or after QUIT.
        let busy = Reply(454, EnhancedCode(4, 7, 0), "TLS not available")
        #expect(rules.first(for: busy, stage: .tls, among: all) == nil)
        #expect(rules.first(for: busy, stage: .mail, among: all) != nil)
    }

    @Test func withoutARuleTheClassDecides() {
        let none = Configuration()
        #expect(treat("550 5.1.1 no such user", in: none).outcome == .fail)
        #expect(treat("450 4.2.1 later", in: none).outcome == .wait(.recipient))
        #expect(treat("452 4.2.2 mailbox full", in: none).outcome == .wait(.full))
        let rules = ReplyRules(none)
        // 552 for a recipient too many.
        #expect(
            rules.treatment(
                of: Reply(stored: "552 too many recipients"), stage: .rcpt, permanent: false,
                among: rules.none
            ).outcome == .wait(.recipient))
    }

    // MARK: What a file can get wrong

    @Test(arguments: [
        ("code = \"421\"", "needs action: one of"),
        ("code = \"421\"\naction = \"suspend\"", "action: suspend needs a time, such as"),
        ("code = \"421\"\naction = \"bounce\"\ntime = \"5m\"", "time: has no meaning with"),
        ("code = \"421\"\naction = \"suspend\"\ntime = \"0s\"", "time: expected a duration"),
        ("code = \"421\"\naction = \"suspend\"\ntime = \"90d\"", "time: expected a duration"),
        ("code = \"421\"\naction = \"suspnd\"\ntime = \"5m\"", "did you mean \"suspend\"?"),
        ("code = \"421\"\naction = \"throttle\"", "did you mean \"throttle-rate\"?"),
        ("code = \"421\"\naction = [\"bounce\", \"full\"]", "action: expected one action, of"),
        ("action = \"bounce\"", "matches every reply: give it a code"),
        ("text = \"a*\"\naction = \"bounce\"", "it matches the empty text, and so every reply"),
        ("text = \"(unclosed\"\naction = \"bounce\"", "not a usable regular expression: unmatched"),
        ("text = \"[a-\"\naction = \"bounce\"", "not a usable regular expression"),
        ("text = '(?i)x'\naction = \"bounce\"", "neither look-around nor flags"),
        ("text = '(x)\\1'\naction = \"bounce\"", "back-references (\\1) are not possible"),
        ("text = '[\\d]'\naction = \"bounce\"", "write 0-9 instead of \\d"),
        ("text = 'x\\'\naction = \"bounce\"", "it ends with a backslash"),
        ("text = '((x{99}){99}){99}'\naction = \"bounce\"", "it repeats too much"),
        ("code = \"250\"\naction = \"bounce\"", "250 is no refusal: only 4xx and 5xx"),
        ("code = \"4.7.1\"\naction = \"bounce\"", "write it as enhanced = \"4.7.1\""),
        ("code = \"4x1\"\naction = \"bounce\"", "expected a reply code such as"),
        ("code = []\naction = \"bounce\"", "an empty array matches nothing"),
        ("code = [\"421\", \"421\"]\naction = \"bounce\"", "\"421\" is there twice"),
        ("enhanced = \"2.0.0\"\naction = \"bounce\"", "expected an enhanced code such as"),
        ("enhanced = \"4.7.9-1\"\naction = \"bounce\"", "expected an enhanced code such as"),
        ("stage = \"rctp\"\naction = \"bounce\"", "did you mean \"rcpt\"?"),
        ("stage = \"tls\"\naction = \"bounce\"", "expected one of greeting, ehlo"),
        ("match = \"a b\"\ncode = \"421\"\naction = \"bounce\"", "expected a domain, a host"),
        ("code = \"421\"\nregex = \"x\"\naction = \"bounce\"", "regex: unknown key; known here:"),
        ("cod = \"421\"\ntext = \"x\"\naction = \"bounce\"", "did you mean \"code\"?"),
        ("name = \"a b\"\ncode = \"421\"\naction = \"bounce\"", "expected a name of up to 40"),
        ("name = \"greylist\"\ncode = \"421\"\naction = \"full\"", "the name of a built-in rule"),
    ])
    func badRule(_ rule: String, _ complaint: String) {
        let found = problems("hostname = \"mta.test\"\n\n[[rules]]\n\(rule)\n")
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains(complaint) == true, "\(found)")
        // The line is that of the rule or of the key in it.
        let line = found.first.flatMap { $0.split(separator: ":").dropFirst().first }
        #expect(line.flatMap { Int($0) }.map { (3...6).contains($0) } == true, "\(found)")
    }

    @Test func aRuleThatIsNeverUsed() {
        func shadowed(_ first: String, _ second: String) -> String? {
            let found = problems(
                "[[rules]]\n\(first)\naction = \"full\"\n[[rules]]\n\(second)\naction = \"bounce\"\n"
            )
            return found.first { $0.contains("never used: \"rules[1]\" in line 1 matches all") }
        }
        #expect(shadowed("code = \"4xx\"", "code = \"421\"") != nil)
        #expect(shadowed("code = \"421\"", "code = \"421\"\ntext = \"x\"") != nil)
        #expect(shadowed("enhanced = \"4.*\"", "enhanced = [\"4.7.1\", \"4.2.2\"]") != nil)
        #expect(shadowed("text = \"x\"", "text = \"x\"\nstage = \"dot\"") != nil)
        #expect(
            shadowed(
                "match = \"*.a.test\"\ncode = \"421\"", "match = \"*.b.a.test\"\ncode = \"421\"")
                != nil)
        // What is only partly the same is used.
        #expect(shadowed("code = \"421\"", "code = \"4xx\"") == nil)
        #expect(shadowed("code = \"421\"\ntext = \"x\"", "code = \"421\"") == nil)
        #expect(shadowed("enhanced = \"4.7.1\"", "code = \"421\"") == nil)
        #expect(shadowed("match = \"a.test\"\ncode = \"421\"", "code = \"421\"") == nil)
        #expect(
            shadowed(
                "match = \"*.b.a.test\"\ncode = \"421\"", "match = \"*.a.test\"\ncode = \"421\"")
                == nil)
        #expect(shadowed("stage = \"rcpt\"", "stage = [\"rcpt\", \"dot\"]") == nil)
        // Words within words, but not expressions within expressions.
        #expect(shadowed("text = \"too fast\"", "text = \"Sent TOO FAST\"") != nil)
        #expect(shadowed("text = \"too fast\"", "text = \"too\"") == nil)
        #expect(shadowed("text = \"too.fast\"", "text = \"xtoo.fast\"") == nil)
    }

    @Test(arguments: [
        (
            "full", "action = \"bounce\"",
            "rules[2].action: contradicts \"a\" in line 1: the same"
                + " conditions, and another action (\"full\"); remove one of them"
        ),
        (
            "suspend\"\ntime = \"5m", "time = \"6m\"\naction = \"suspend\"",
            "rules[2].action: contradicts"
        ),
        ("full", "action = \"full\"", "rules[2]: never used: \"a\" in line 1 says the same"),
    ])
    func rulesThatContradict(_ first: String, _ second: String, _ complaint: String) {
        let found = problems(
            """
            [[rules]]
            name = "a"
            match = "*.Example.com."
            code = ["421", "45x"]
            text = "Busy"
            action = "\(first)"
            [[rules]]
            match = "*.example.com"
            code = ["45x", 421]
            text = "Busy"
            \(second)
            """)
        #expect(found.count == 1 && found[0].contains(complaint), "\(found)")
    }

    /// Legal, and hardly what was meant.
    @Test func codesOfTwoClasses() throws {
        func warns(_ conditions: String) -> Bool {
            let log = ProblemLog(file: "/s.toml")
            guard
                let document = try? TOMLDocument(
                    text: "[[rules]]\n\(conditions)\naction = \"full\"\n", file: "/s.toml")
            else { return false }
            _ = Configuration.read(document, log)
            return log.problems.contains { $0.severity == .warning && $0.line == 3 }
        }
        #expect(warns("code = \"4xx\"\nenhanced = \"5.1.1\""))
        #expect(warns("code = \"550\"\nenhanced = [\"4.7.*\", \"4.2.2\"]"))
        #expect(!warns("code = \"550\"\nenhanced = [\"4.7.*\", \"5.2.2\"]"))
        #expect(!warns("code = \"4xx\"\nenhanced = \"4.1.1\""))
    }

    @Test func twoRulesOfOneName() {
        let found = problems(
            """
            [[rules]]
            name = "a"
            code = "421"
            action = "full"
            [[rules]]
            name = "a"
            code = "422"
            action = "full"
            """)
        #expect(
            found == ["/s.toml:6: rules[2].name: \"a\" is the name of the rule in line 1, too"])
    }

    // MARK: Regular expressions

    @Test(arguments: [
        ("^421 ", "421 4.7.0 no", true), ("^421 ", "450 x 421 ", false),
        ("S\\d{3}\\)", "451 … (S775) x", true), ("S\\d{3}\\)", "(S77)", false),
        ("\\D42", "x42", true), ("[[:space:]]busy", "server busy", true), ("[]x]", "a]b", true),
        ("[^]x]9", "]9", false), ("a|b", "xxb", true), ("OFR[0-9]*_104", "ofr004_104 [104]", true),
        ("größe", "die größe", true),
    ])
    func expressions(_ pattern: String, _ text: String, _ matches: Bool) throws {
        #expect(try TextPattern(pattern).matches(text) == matches)
    }

    /// Against what takes a backtracking matcher years.
    @Test func noTextTakesForever() throws {
        let text = String(repeating: "a", count: 900)
        #expect(try !TextPattern("(a+)+b").matches(text))
        #expect(try !TextPattern("(a|aa)+c").matches(text))
    }
}
