import Scheduler

extension ReplyRule {
    private static let stageWords = replyStages.map(\.rawValue)

    /// `[[rules]]`, in their order. What is wrong with one is reported, and it is left out.
    /// `reserved`: names that are taken already.
    static func readAll(_ reader: TableReader, reserved: Set<String>) -> [ReplyRule] {
        var rules: [(rule: ReplyRule, line: Int)] = []
        for (index, entry) in reader.tables("rules").enumerated() {
            guard let rule = ReplyRule(entry, number: index + 1) else { continue }
            if reserved.contains(rule.name) {
                entry.error(
                    "name", "\"\(rule.name)\" is the name of a built-in rule; choose another")
            }
            if let twin = rules.first(where: { $0.rule.name == rule.name }) {
                entry.error(
                    "name", "\"\(rule.name)\" is the name of the rule in line \(twin.line), too")
            }
            if let earlier = rules.first(where: { $0.rule.covers(rule) }) {
                let first = "\"\(earlier.rule.name)\" in line \(earlier.line)"
                if !earlier.rule.hasConditions(of: rule) {
                    entry.error(
                        nil,
                        "never used: \(first) matches all of it and comes first; move this one"
                            + " before it or remove it")
                } else if earlier.rule.action == rule.action {
                    entry.error(nil, "never used: \(first) says the same; remove one of them")
                } else {
                    entry.error(
                        "action",
                        "contradicts \(first): the same conditions, and another action"
                            + " (\"\(earlier.rule.action.word.rawValue)\"); remove one of them")
                }
            }
            if rule.isSplit {
                entry.warn(
                    "enhanced",
                    "of another class than code: only a reply that contradicts itself, such as"
                        + " \"550 4.2.1\", has both")
            }
            rules.append((rule, entry.line))
        }
        return rules.map(\.rule)
    }

    private init?(_ reader: TableReader, number: Int) {
        let name = reader.read("name", Self.nameKind)
        let match = reader.read("match", ShapingRule.matchKind)
        let codes = reader.read("code", .oneOrMore(CodePattern.kind))
        let enhanced = reader.read("enhanced", .oneOrMore(EnhancedPattern.kind))
        let text = reader.read("text", Self.textKind)
        let stages = reader.read("stage", .oneOrMore(Self.stageKind))
        let word = reader.read("action", Self.actionKind)
        let time = reader.read("time", .duration(.seconds(1)...(.seconds(7 * 86_400))))
        let source = reader.read("source", .text)

        if let word {
            if word == .suspend, !reader.has("time") {
                reader.error("action", "suspend needs a time, such as time = \"30m\"")
            } else if word != .suspend, reader.has("time") {
                reader.error(
                    "time",
                    "has no meaning with action \"\(word.rawValue)\"; did you mean"
                        + " \"suspend\"?")
            }
        } else if !reader.has("action") {
            reader.error(nil, "needs action: one of \(Self.actionWords)")
        }
        let hasCondition = ["match", "code", "enhanced", "text", "stage"].contains(
            where: reader.has)
        if !hasCondition {
            reader.error(nil, "matches every reply: give it a code, enhanced, text or match")
        }
        // A value that was wrong is reported; the rule without it would be another one.
        guard hasCondition, let word, let action = ReplyAction(word, time: time) else {
            return nil
        }
        for (key, isRead) in [
            ("match", match != nil), ("code", codes != nil), ("enhanced", enhanced != nil),
            ("text", text != nil), ("stage", stages != nil),
        ] where reader.has(key) && !isRead {
            return nil
        }
        self.init(
            name: name ?? "rules[\(number)]", match: match, codes: codes ?? [],
            enhanced: enhanced ?? [], text: text, stages: stages ?? [], action: action,
            source: source)
    }

    private static var nameKind: ValueKind<String> {
        ValueKind("a name of up to 40 letters, digits, \"-\", \"_\" or \".\"") { text in
            let isName =
                (1...40).contains(text.utf8.count)
                && text.utf8.allSatisfy { byte in
                    switch byte {
                    case UInt8(ascii: "a")...UInt8(ascii: "z"),
                        UInt8(ascii: "A")...UInt8(ascii: "Z"),
                        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                        UInt8(ascii: "_"), UInt8(ascii: "."):
                        true
                    default: false
                    }
                }
            return isName ? text : nil
        }
    }

    private static var textKind: ValueKind<String> {
        ValueKind("a regular expression") { node, complaints in
            guard case .string(let text) = node.value else { return nil }
            do throws(TextPatternError) {
                _ = try TextPattern(text)
                return text
            } catch {
                complaints.append(
                    ValueComplaint(
                        message: "not a usable regular expression: \(error):"
                            + " \"\(text.escapedForMessage)\""))
                return nil
            }
        }
    }

    private static var stageKind: ValueKind<Stage> {
        ValueKind("one of \(stageWords.joined(separator: ", "))") { node, complaints in
            guard case .string(let text) = node.value else { return nil }
            if let stage = Stage(rawValue: text.lowercased()), replyStages.contains(stage) {
                return stage
            }
            complaints += nearest(text, among: stageWords)
            return nil
        }
    }

    private static var actionWords: String {
        ReplyAction.Word.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
    }

    private static var actionKind: ValueKind<ReplyAction.Word> {
        ValueKind("one action, of \(actionWords)") { node, complaints in
            guard case .string(let text) = node.value else { return nil }
            if let word = ReplyAction.Word(rawValue: text) { return word }
            // What others call it.
            let synonyms = [
                "throttle": "throttle-rate", "greylisting": "greylist", "greylisted": "greylist",
                "retry": "recipient", "defer": "recipient", "fail": "bounce", "reject": "bounce",
                "pause": "suspend", "content": "message", "next-mx": "elsewhere",
                "quota": "full", "ignore": "none",
            ]
            if let meant = synonyms[text.lowercased()] {
                complaints.append(
                    ValueComplaint(
                        message: "no action is called \"\(text.escapedForMessage)\"; did you mean"
                            + " \"\(meant)\"?"))
            } else {
                complaints += nearest(text, among: ReplyAction.Word.allCases.map(\.rawValue))
            }
            return nil
        }
    }

    private static func nearest(_ text: String, among words: [String]) -> [ValueComplaint] {
        guard let near = Suggestion.nearest(to: text, among: words) else { return [] }
        return [
            ValueComplaint(
                message: "expected one of \(words.joined(separator: ", ")), found"
                    + " \"\(text.escapedForMessage)\"; did you mean \"\(near)\"?")
        ]
    }
}

extension ValueKind {
    /// One value, or an array of them.
    static func oneOrMore<Element: Hashable>(
        _ element: ValueKind<Element>
    ) -> ValueKind<[Element]> {
        let many = ValueKind<[Element]>.list(element)
        return ValueKind<[Element]>("\(element.expected), or an array of them") {
            node, complaints in
            guard case .array(let nodes) = node.value else {
                return element.parse(node, &complaints).map { [$0] }
            }
            if nodes.isEmpty {
                complaints.append(
                    ValueComplaint(message: "an empty array matches nothing; remove the key"))
                return nil
            }
            return many.parse(node, &complaints)
        }
    }
}
