import Mail

extension Plan {
    /// What the parts would do, as one. Each part goes on having its own plan.
    ///
    /// - Parameters:
    ///   - parts: at least one.
    ///   - id: what the parts are called together.
    ///   - request: what all of them were asked for.
    package static func merged(
        _ parts: [(name: String, plan: Plan)], id: String, request: PlanRequest
    ) -> Plan {
        var merged = parts[0].plan
        merged.id = id
        merged.request = request
        guard parts.count > 1 else { return merged }
        let plans = parts.map(\.plan)
        merged.at = plans.map(\.at).max() ?? merged.at
        merged.expiresAt = plans.map(\.expiresAt).min() ?? merged.expiresAt
        merged.counts = plans.reduce(Counts()) { $0 + $1.counts }
        merged.notes =
            parts.map { "\($0.name): \($0.plan.counts.words(for: request.action))" }
            + PartTexts.joined(parts.map { ($0.name, $0.plan.notes) })
        merged.oldestAt = plans.compactMap(\.oldestAt).min()
        merged.samples = interleaved(plans.map(\.samples), limit: 10)
        merged.topDomains = top(plans.map(\.topDomains))
        merged.topSenders = top(plans.map(\.topSenders))
        let slowest = parts.max { $0.plan.drainSeconds ?? -1 < $1.plan.drainSeconds ?? -1 }
        merged.drainSeconds = slowest?.plan.drainSeconds
        merged.drainPerSecond = slowest?.plan.drainPerSecond
        merged.drainSlowest = slowest.flatMap { part in
            part.plan.drainSlowest.map { "\($0) on \(part.name)" }
        }
        let isSame = plans.allSatisfy { $0.effect == merged.effect }
        merged.effect =
            isSame
            ? "on each: \(merged.effect)"
            : PartTexts.joined(parts.map { ($0.name, $0.plan.effect) }) ?? ""
        merged.undoSeconds = plans.compactMap(\.undoSeconds).min()
        merged.mustTypeCount = plans.contains(where: \.mustTypeCount)
        return merged
    }

    /// The first of each, then the second of each, …
    private static func interleaved(_ lists: [[MessageRow]], limit: Int) -> [MessageRow] {
        var rows: [MessageRow] = []
        for place in 0..<(lists.map(\.count).max() ?? 0) {
            for list in lists where place < list.count && rows.count < limit {
                rows.append(list[place])
            }
        }
        return rows
    }

    /// The largest five, then by name. A name that is in the list of one part only may have more
    /// elsewhere: the parts tell their largest alone.
    private static func top(_ lists: [[NamedCount]]) -> [NamedCount] {
        var counts: [String: Int] = [:]
        for entry in lists.joined() { counts[entry.name, default: 0] += entry.count }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(5).map {
            NamedCount(name: $0.key, count: $0.value)
        }
    }
}

extension ActionRow {
    /// What the parts did, as one.
    ///
    /// - Parameters:
    ///   - parts: at least one.
    ///   - id: what the parts are called together.
    package static func merged(_ parts: [(name: String, row: ActionRow)], id: String) -> ActionRow {
        var merged = parts[0].row
        merged.id = id
        guard parts.count > 1 else { return merged }
        let rows = parts.map(\.row)
        func joined(_ text: (ActionRow) -> String) -> String {
            PartTexts.joined(parts.map { ($0.name, text($0.row)) }) ?? ""
        }
        merged.host = nil
        merged.node = nil
        merged.at = rows.map(\.at).max() ?? merged.at
        merged.by = joined(\.by)
        merged.reason = joined(\.reason)
        merged.target = joined(\.target)
        merged.counts = rows.reduce(Counts()) { $0 + $1.counts }
        merged.result = parts.map { "\($0.name): \($0.row.result)" }.joined(separator: "; ")
        // As long as a part of it can be undone it is undoable; it failed if a part of it did.
        merged.state =
            [.undoable, .failed, .done].first { state in rows.contains { $0.state == state } }
            ?? .undone
        merged.undoUntil = rows.filter { $0.state == .undoable }.compactMap(\.undoUntil).min()
        return merged
    }
}

extension Counts {
    package static func + (a: Counts, b: Counts) -> Counts {
        var sum = a
        sum.destinations += b.destinations
        sum.messages += b.messages
        sum.deliveries += b.deliveries
        sum.recipients += b.recipients
        sum.bytes += b.bytes
        return sum
    }

    /// "12 deliveries", or "3 destinations" for an action on those.
    fileprivate func words(for action: ActionKind) -> String {
        let (count, one) =
            action.actsOnDeliveries
            ? (deliveries, "delivery") : (destinations, "destination")
        if count == 1 { return "1 \(one)" }
        return "\(Self.grouped(count)) \(action.actsOnDeliveries ? "deliveries" : "destinations")"
    }

    /// "1,240".
    private static func grouped(_ count: Int) -> String {
        var text = ""
        for (place, digit) in String(count).reversed().enumerated() {
            if place > 0, place % 3 == 0, digit != "-" { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}
