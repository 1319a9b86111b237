import Mail
package import Scheduler

/// An entry of `[[rules]]`: what to do with some refusals. Every condition that it has must hold.
package struct ReplyRule: Hashable, Sendable, Codable {
    /// What is shown where the rule was used.
    package var name: String
    /// Over the destination's names, as in `[[shaping]]`; nil: every destination.
    package var match: NamePattern?
    /// Empty: any.
    package var codes: [CodePattern] = []
    /// Empty: any, or none.
    package var enhanced: [EnhancedPattern] = []
    /// A regular expression over the reply as it is shown, with its codes.
    package var text: String?
    /// Empty: any.
    package var stages: [Stage] = []
    package var action: ReplyAction
    /// Where the reply is documented, for people.
    package var source: String?

    /// The stages in which a receiver answers with a refusal that a rule may look at.
    package static let replyStages: [Stage] = [.greeting, .ehlo, .mail, .rcpt, .data, .dot]

    /// All but the text and the destination.
    func applies(to reply: Reply, stage: Stage) -> Bool {
        (codes.isEmpty || codes.contains { $0.codes.contains(reply.code) })
            && (stages.isEmpty || stages.contains(stage))
            && (enhanced.isEmpty
                || reply.enhanced.map { code in enhanced.contains { $0.matches(code) } } ?? false)
    }

    /// The same conditions, whatever the action.
    func hasConditions(of other: ReplyRule) -> Bool { covers(other) && other.covers(self) }

    /// The classes (4, 5) of the codes and of the enhanced codes have nothing in common: only a
    /// reply that contradicts itself has both.
    var isSplit: Bool {
        guard !codes.isEmpty, !enhanced.isEmpty else { return false }
        return !codes.contains { code in
            enhanced.contains { pattern in
                pattern.klass.contains(code.codes.lowerBound / 100)
            }
        }
    }

    /// Every text that `inner` matches is one that `outer` matches: because they are the same, or
    /// both are plain words of which one has the other in it.
    private static func isWithin(_ inner: String?, _ outer: String) -> Bool {
        guard let inner else { return false }
        if inner == outer { return true }
        let special = Set(".[]()*+?{}|^$\\")
        guard !inner.contains(where: special.contains), !outer.contains(where: special.contains)
        else { return false }
        return inner.lowercased().contains(outer.lowercased())
    }

    /// Every reply that `other` matches is one that this matches. Says false where it cannot tell.
    func covers(_ other: ReplyRule) -> Bool {
        if let match {
            // A "*" in the other one is only matched by a "*" in this one.
            guard let inner = other.match, match.matches(inner.text) else { return false }
        }
        if let text, !Self.isWithin(other.text, text) { return false }
        func isWithin<Condition>(
            _ inner: [Condition], _ outer: [Condition], _ covers: (Condition, Condition) -> Bool
        ) -> Bool {
            if outer.isEmpty { return true }
            return !inner.isEmpty
                && inner.allSatisfy { one in outer.contains { covers($0, one) } }
        }
        return isWithin(other.codes, codes) { $0.covers($1) }
            && isWithin(other.enhanced, enhanced) { $0.covers($1) }
            && isWithin(other.stages, stages) { $0 == $1 }
    }
}
