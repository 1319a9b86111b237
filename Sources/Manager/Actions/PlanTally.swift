import Control
import Mail
import Spool

/// What a plan on deliveries would touch, counted.
struct PlanTally: Sendable {
    private(set) var chosen = DeliverySet()
    private(set) var held = DeliverySet()
    private(set) var counts = Counts()
    private(set) var oldest: UnixTime?
    /// The first of them, to be shown.
    private(set) var samples: [DeliveryID] = []
    private(set) var domains: [String: Int] = [:]
    private(set) var senders: [String: Int] = [:]
    private(set) var perDestination: [Int64: Int] = [:]
    /// Of these: already due.
    private(set) var due: [Int64: Int] = [:]
    private var skipped: [StoredState: Int] = [:]

    /// In the order of ids.
    mutating func add(_ delivery: DeliveryFigures, for action: ActionKind, at now: UnixTime) {
        guard action.applies(to: delivery.state) else {
            skipped[delivery.state, default: 0] += 1
            return
        }
        // The deliveries of a message follow each other.
        if chosen.last?.message != delivery.id.message {
            counts.messages += 1
            counts.bytes += delivery.size
        }
        chosen.append(delivery.id)
        if delivery.state == .held { held.append(delivery.id) }
        counts.deliveries += 1
        counts.recipients += delivery.recipients
        oldest = min(oldest ?? delivery.receivedAt, delivery.receivedAt)
        domains[delivery.domain, default: 0] += 1
        senders[delivery.sender, default: 0] += 1
        if let destination = delivery.destination {
            perDestination[destination, default: 0] += 1
            counts.destinations = perDestination.count
            if delivery.state == .queued, delivery.nextAttemptAt <= now {
                due[destination, default: 0] += 1
            }
        }
        if samples.count < 10 { samples.append(delivery.id) }
    }

    var notes: [String] {
        skipped.sorted { $0.key.rawValue < $1.key.rawValue }.map {
            "\($0.value) not touched: \($0.key.inWords)"
        }
    }
}
