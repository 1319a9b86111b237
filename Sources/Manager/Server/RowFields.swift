import Control
import Filter
import Mail
import Spool

/// A destination's row as the filter language sees it.
extension DestinationRow {
    func lookup(at now: UnixTime) -> (FilterField) -> FilterFieldValue? {
        { self.value(of: $0.name, at: now) }
    }

    func value(of field: String, at now: UnixTime) -> FilterFieldValue? {
        switch field {
        case "id": Int64(id).map { .number(Double($0)) }
        case "name": .text(name)
        case "domain": .list(domains)
        case "state": .text(state.rawValue)
        case "why": .text(why.kind)
        case "worker": worker.map { .number(Double($0)) }
        case "pinned": .flag(pin != nil)
        case "paused": .flag(pausedBy != nil)
        case "queued": .number(Double(queued))
        case "ready": .number(Double(ready))
        case "delayed": .number(Double(delayed))
        case "held": .number(Double(held))
        case "delivering": .number(Double(delivering))
        case "connections": .number(Double(connections))
        case "window": .number(Double(window))
        case "limit": .number(Double(limit))
        // "tokens = 0" means that no whole token is left to start with.
        case "tokens": tokens.map { .number($0.rounded(.down)) }
        case "rate": rate.map { .number($0) }
        case "failures": .number(Double(failures))
        case "attempts": .number(Double(attempts))
        case "out": .number(deliveredPerSecond)
        case "delivered": .number(Double(delivered))
        case "deferred": .number(Double(deferred))
        case "bounced": .number(Double(bounced))
        case "exchanger": .list(exchangers)
        case "age": oldestAt.map { .number(now.seconds - $0.seconds) }
        case "next": nextAttemptAt.map { .number($0.seconds - now.seconds) }
        case "code": lastReply.flatMap { Int($0.prefix(3)) }.map { .number(Double($0)) }
        case "reply": lastReply.map { .text($0) }
        default: nil
        }
    }

    /// Whether the deliveries of this destination match a comparison of a message filter whose
    /// field lives outside the spool.
    func matchesDeliveryField(_ comparison: FilterComparison) -> Bool {
        switch comparison.field.name {
        case "destination": comparison.matches(.list([id, name] + domains))
        case "worker": comparison.matches(worker.map { .number(Double($0)) })
        case "why": comparison.matches(.text(why.kind))
        default: false
        }
    }
}

/// What rows are sorted by; what a row lacks comes after all that others have.
enum SortKey: Comparable {
    case number(Double)
    case text(String)
    case missing

    init(_ value: FilterFieldValue?) {
        switch value {
        case .number(let number): self = .number(number)
        case .text(let text): self = .text(text.lowercased())
        case .list(let texts): self = texts.first.map { .text($0.lowercased()) } ?? .missing
        case .flag(let flag): self = .number(flag ? 1 : 0)
        case nil: self = .missing
        }
    }
}

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
