import Mail

extension AgeMap {
    /// - Parameter parts: at least one, with the same bounds; whose rows they are the rows say.
    package static func merged(_ parts: [AgeMap], limit: Int) -> AgeMap {
        var merged = parts[0]
        for part in parts.dropFirst() {
            merged.at = max(merged.at, part.at)
            merged.countedAt = min(merged.countedAt, part.countedAt)
            // Both begin with the youngest; a daemon of another version may have more of them.
            if part.bounds.count > merged.bounds.count { merged.bounds = part.bounds }
            merged.totals = Array(
                Array(merged.totals.reversed()).addedFromTheEnd(part.totals.reversed()).reversed())
            merged.destinations += part.destinations
            merged.rows += part.rows
        }
        merged.rows = merged.rows.stablySorted { $0.total > $1.total }.prefixed(limit)
        return merged
    }
}

extension Schedule {
    /// - Parameter parts: at least one; whose rows they are the rows say.
    package static func merged(_ parts: [Schedule], limit: Int) -> Schedule {
        var merged = parts[0]
        for part in parts.dropFirst() {
            merged.at = max(merged.at, part.at)
            merged.countedAt = min(merged.countedAt, part.countedAt)
            merged.ready += part.ready
            for (index, count) in part.due.enumerated() where index < merged.due.count {
                merged.due[index] += count
            }
            merged.held += part.held
            merged.paused += part.paused
            merged.routing += part.routing
            merged.openBreakers += part.openBreakers
            merged.expiresInHour += part.expiresInHour
            merged.expiresInDay += part.expiresInDay
            merged.probes += part.probes
            merged.expiring += part.expiring
        }
        merged.probes = merged.probes.stablySorted { $0.at < $1.at }.prefixed(limit)
        merged.expiring = merged.expiring.stablySorted { $0.inDay > $1.inDay }.prefixed(limit)
        return merged
    }
}

extension DueCount {
    fileprivate static func += (a: inout DueCount, b: DueCount) {
        a.deliveries += b.deliveries
        a.destinations += b.destinations
    }
}

extension Array {
    /// What is equal stays in its order.
    fileprivate func stablySorted(_ precedes: (Element, Element) -> Bool) -> [Element] {
        enumerated().sorted { a, b in
            if precedes(a.element, b.element) { return true }
            return !precedes(b.element, a.element) && a.offset < b.offset
        }.map(\.element)
    }

    fileprivate func prefixed(_ count: Int) -> [Element] { Array(prefix(count)) }
}
