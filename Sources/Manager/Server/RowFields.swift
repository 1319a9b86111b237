import Control
import Filter
import Mail
import Spool

extension FilterExpression {
    /// Whether every comparison is about one of these fields.
    func mentionsOnly(_ names: Set<String>) -> Bool {
        switch self {
        case .comparison(let comparison): names.contains(comparison.field.name)
        case .not(let inner): inner.mentionsOnly(names)
        case .and(let a, let b), .or(let a, let b):
            a.mentionsOnly(names) && b.mentionsOnly(names)
        }
    }

    /// Whether any comparison is about one of these fields.
    func mentions(_ names: Set<String>) -> Bool {
        switch self {
        case .comparison(let comparison): names.contains(comparison.field.name)
        case .not(let inner): inner.mentions(names)
        case .and(let a, let b), .or(let a, let b): a.mentions(names) || b.mentions(names)
        }
    }
}

extension ActionRow {
    init(_ record: ActionRecord) {
        self.init(
            id: String(record.id), action: ActionKind(rawValue: record.kind) ?? .retry,
            at: record.at, by: SafeText(record.by).text, reason: SafeText(record.reason).text,
            target: SafeText(record.target).text,
            counts: ActionDetails.counts(in: record.details),
            state: ActionState(rawValue: record.state) ?? .done, undoUntil: record.undoUntil,
            result: SafeText(record.result).text)
    }
}
