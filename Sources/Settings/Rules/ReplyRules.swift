package import Mail
package import Scheduler

/// The rules of a configuration, ready to be used: the operator's in their order, then those that
/// Sluice brings along.
package struct ReplyRules: Sendable {
    private struct Compiled: Sendable {
        var rule: ReplyRule
        var pattern: TextPattern?
    }

    private let rules: [Compiled]

    package init(_ configuration: Configuration) {
        let own = configuration.rules
        let all = configuration.builtInRules ? own + BuiltInRules.all : own
        rules = all.map { rule in
            // It was compiled when the file was read.
            Compiled(rule: rule, pattern: rule.text.flatMap { try? TextPattern($0) })
        }
    }

    /// Those that look at a destination's replies: found once for each destination.
    package func selection(for names: DestinationNames) -> Selection {
        Selection(
            numbers: rules.indices.filter { number in
                guard let match = rules[number].rule.match else { return true }
                return names.all.contains { match.matches($0) }
            })
    }

    /// For replies that belong to no destination.
    package var none: Selection { Selection(numbers: []) }

    /// Some of the rules, in their order.
    package struct Selection: Sendable {
        fileprivate let numbers: [Int]
    }

    /// The first rule that matches. None ever matches what no server said (`Reply.isLocal`).
    package func first(
        for reply: Reply, stage: Stage, among selection: Selection
    ) -> ReplyRule? {
        guard !reply.isLocal, ReplyRule.replyStages.contains(stage) else { return nil }
        var text: String?
        for number in selection.numbers {
            let rule = rules[number].rule
            guard rule.applies(to: reply, stage: stage) else { continue }
            guard rule.text != nil else { return rule }
            let shown = text ?? reply.text
            text = shown
            if rules[number].pattern?.matches(shown) == true { return rule }
        }
        return nil
    }

    /// What becomes of a delivery that was refused, and by which rule.
    ///
    /// `permanent`: what it comes to where no rule says otherwise; nil: as the reply's class says.
    package func treatment(
        of reply: Reply, stage: Stage, permanent: Bool? = nil, among selection: Selection
    ) -> Treatment {
        let rule = first(for: reply, stage: stage, among: selection)
        switch rule?.action {
        case .wait(let cause), .throttle(let cause):
            return Treatment(.wait(cause), by: rule)
        case .suspend(let time): return Treatment(.suspend(time), by: rule)
        case .bounce: return Treatment(.fail, by: rule)
        case .elsewhere: return Treatment(.elsewhere, by: rule)
        case nil, ReplyAction.none?:
            if permanent ?? reply.isPermanent { return Treatment(.fail, by: rule) }
            let cause = Classification.classify(
                code: reply.code,
                enhanced: reply.enhanced.map { ($0.klass, $0.subject, $0.detail) },
                text: reply.text, stage: stage)
            return Treatment(.wait(cause), by: rule)
        }
    }
}

/// What becomes of a delivery that was refused.
package struct Treatment: Hashable, Sendable {
    package enum Outcome: Hashable, Sendable {
        /// Tried again: after its own time, or when the destination may be used again.
        case wait(Cause)
        /// The same, and the destination is left alone for so long.
        case suspend(Duration)
        /// Final.
        case fail
        /// Tried at once at the next address.
        case elsewhere
    }

    package var outcome: Outcome
    /// The rule that said so; nil: the built-in classification by codes and words.
    package var rule: String?

    package init(_ outcome: Outcome, by rule: ReplyRule?) {
        self.outcome = outcome
        self.rule = rule?.name
    }
}

extension Treatment {
    /// In one line, for people.
    package var explanation: String {
        switch outcome {
        case .wait(.destination): "throttle-rate: the destination is sent less in a time"
        case .wait(.crowded): "throttle-connections: the destination gets fewer connections"
        case .wait(.hurried):
            "throttle-connection-rate: the destination gets fewer connections in a time"
        case .wait(.connect): "the destination waits: it cannot be reached"
        case .wait(.greylisted): "greylist: the delivery waits as long as greylisting asks"
        case .wait(.full): "full: the delivery waits long, for the mailbox to be emptied"
        case .wait(.content): "message: the delivery waits, its message or sender is the cause"
        case .wait(.recipient): "recipient: the delivery waits, its recipient is the cause"
        case .wait(.handshake): "the delivery waits: TLS failed"
        case .wait(.us): "the delivery waits: the cause is this host"
        case .suspend(let time):
            "suspend: the destination is left alone for \(DurationText.text(time))"
        case .fail: "bounce: final, and reported to the sender"
        case .elsewhere: "elsewhere: the next address is tried at once"
        }
    }
}
