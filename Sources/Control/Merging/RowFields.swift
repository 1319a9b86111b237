package import Filter
package import Mail

/// A destination's row as the filter language sees it.
extension DestinationRow {
    package func lookup(at now: UnixTime) -> (FilterField) -> FilterFieldValue? {
        { self.value(of: $0.name, at: now) }
    }

    package func value(of field: String, at now: UnixTime) -> FilterFieldValue? {
        switch field {
        case "id": QualifiedID(id).number.map { .number(Double($0)) }
        case "name": .text(name)
        case "domain": .list(domains)
        case "state": .text(state.rawValue)
        case "why": .text(why.kind)
        case "worker": worker.map { .number(Double($0)) }
        case "node": node.map { .text($0) }
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
    package func matchesDeliveryField(_ comparison: FilterComparison) -> Bool {
        switch comparison.field.name {
        case "destination": comparison.matches(.list([id, name] + domains))
        case "worker": comparison.matches(worker.map { .number(Double($0)) })
        case "node": comparison.matches(node.map { .text($0) })
        case "why": comparison.matches(.text(why.kind))
        default: false
        }
    }
}

/// A message's row as the filter language sees it, as far as the row tells: times that are over,
/// and when what is held was to be tried, are not in it.
extension MessageRow {
    package func lookup(at now: UnixTime) -> (FilterField) -> FilterFieldValue? {
        { self.value(of: $0.name, at: now) }
    }

    package func value(of field: String, at now: UnixTime) -> FilterFieldValue? {
        switch field {
        case "id": .text(QualifiedID(id).id)
        case "message": .text(QualifiedID(message).id)
        case "domain": .text(domain)
        case "sender": .text(sender)
        case "recipient": .list(recipients)
        case "size": .number(Double(size))
        case "age": .number(now.seconds - receivedAt.seconds)
        case "attempts": .number(Double(attempts))
        case "priority": .number(Double(priority ?? 0))
        case "next": .number(max(0, (nextAttemptAt ?? now).seconds - now.seconds))
        case "expires": .number(max(0, expiresAt.seconds - now.seconds))
        case "state": .text(state.rawValue)
        case "why": .text(why.kind)
        case "code": lastReply.flatMap { Int($0.prefix(3)) }.map { .number(Double($0)) }
        case "reply": .text(lastReply ?? "")
        case "destination":
            destination.map { .list([QualifiedID($0).id] + (destinationName.map { [$0] } ?? [])) }
        case "worker": worker.map { .number(Double($0)) }
        case "node": node.map { .text($0) }
        default: nil
        }
    }
}
