package import Control
import Mail

/// A plan as it is shown before anything is done.
package enum PlanText {
    /// The columns before the facts.
    package static let indent = 11

    /// - Parameter target: what the selector was taken for.
    package static func lines(_ plan: Plan, target: String) -> [String] {
        let counts = plan.counts
        var lines = ["\(plan.request.action.rawValue): \(target)"]
        func add(_ label: String, _ text: String) {
            lines.append(
                "  " + label + String(repeating: " ", count: max(1, 9 - label.count)) + text)
        }

        add(plan.request.action.isAboutWorkers ? "moves" : "touches", touched(plan))
        if let oldest = plan.oldestAt { add("oldest", Format.span(from: oldest, to: plan.at)) }
        if !plan.topDomains.isEmpty { add("domains", named(plan.topDomains)) }
        if !plan.topSenders.isEmpty {
            add("senders", named(plan.topSenders, empty: "<>"))
        }
        for (index, row) in plan.samples.prefix(5).enumerated() {
            let recipient = row.recipients.first ?? row.domain
            let reply = row.lastReply.map { "  \(SafeText($0))" } ?? ""
            add(
                index == 0 ? "such as" : "",
                "\(SafeText(row.id))  \(Table.sender(row.sender)) to \(SafeText(recipient)), "
                    + Format.span(from: row.receivedAt, to: plan.at) + reply)
        }
        if let drain = plan.drainSeconds {
            let slowest =
                counts.destinations > 1
                ? plan.drainSlowest.map { " (\(SafeText($0)) takes longest)" } ?? "" : ""
            let pace = Format.drain(seconds: drain, perSecond: plan.drainPerSecond)
            add("drain", "done \(pace), by the present limits\(slowest)")
        }
        for note in plan.notes { add("note", SafeText(note).text) }
        add("effect", SafeText(plan.effect).text)
        if let undo = plan.undoSeconds {
            add("undo", "possible for \(Format.duration(seconds: undo))")
        }
        return lines
    }

    /// How far an action is: a bar, a share, and of how many. Shorter than `columns`.
    package static func progress(_ progress: RunningAction, columns: Int) -> String {
        let verb =
            switch progress.phase {
            case .planning: "counting"
            case .reading: "looking at"
            case .changing: progress.action.rawValue
            case .checking: "checking"
            }
        let text =
            " \(Int(100 * progress.fraction)) %  \(verb) \(Format.count(progress.done)) of "
            + "\(Format.count(progress.total))"
        let room = min(30, columns - text.count - 3)
        guard room >= 5 else { return String(text.dropFirst().prefix(max(0, columns - 1))) }
        let full = Int(progress.fraction * Double(room))
        let bar =
            "[" + String(repeating: "#", count: full) + String(repeating: ".", count: room - full)
            + "]"
        let line = bar + text
        return line + String(repeating: " ", count: max(0, min(8, columns - 1 - line.count)))
    }

    private static func touched(_ plan: Plan) -> String {
        let counts = plan.counts
        let destinations = Format.count(counts.destinations, "destination")
        guard counts.deliveries > 0 else { return destinations }
        if !plan.request.action.actsOnDeliveries {
            var text = "\(destinations) with \(Format.count(counts.deliveries, "delivery"))"
            if counts.messages > 0 {
                text +=
                    " of \(Format.count(counts.messages, "message")) to "
                    + "\(Format.count(counts.recipients, "recipient")), \(Format.size(counts.bytes))"
            }
            return text
        }
        return "\(Format.count(counts.deliveries, "delivery")) of "
            + "\(Format.count(counts.messages, "message")) to "
            + "\(Format.count(counts.recipients, "recipient")) at \(destinations)"
            + (counts.bytes > 0 ? ", \(Format.size(counts.bytes))" : "")
    }

    private static func named(_ counts: [NamedCount], empty: String = "-") -> String {
        counts.prefix(5).map {
            "\($0.name.isEmpty ? empty : SafeText($0.name).text) \(Format.count($0.count))"
        }.joined(separator: ", ")
    }
}
