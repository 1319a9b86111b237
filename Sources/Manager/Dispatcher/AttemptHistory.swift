import Control
import DequeModule
import Mail

/// The last attempts of the deliveries that are still queued, in memory: some for each, and not
/// more of all than a few megabytes. The oldest are forgotten first, and all at a restart.
struct AttemptHistory {
    /// Attempts of one delivery.
    static let perDelivery = 30
    private let limit: Int
    private var attempts: [DeliveryID: [AttemptRow]] = [:]
    /// One entry for each attempt, in the order in which they ended; those that were forgotten
    /// with their delivery are skipped.
    private var order: Deque<DeliveryID> = []
    private(set) var count = 0

    /// - Parameter limit: attempts of all deliveries; each takes about 250 bytes.
    init(limit: Int = 20_000) {
        self.limit = limit
    }

    mutating func add(_ report: AttemptReport, worker: Int?) {
        let row = AttemptRow(
            delivery: report.delivery.description, number: report.attempts, at: report.at,
            seconds: Double(report.milliseconds) / 1000,
            remote: report.remote.isEmpty ? nil : SafeText(report.remote).text,
            tls: report.tls.isEmpty ? nil : report.tls, worker: worker,
            reply: SafeText(report.reply).text,
            rule: report.rule.isEmpty ? nil : SafeText(report.rule).text)
        attempts[report.delivery, default: []].append(row)
        order.append(report.delivery)
        count += 1
        if let rows = attempts[report.delivery], rows.count > Self.perDelivery {
            dropFirst(of: report.delivery)
        }
        while count > limit, let oldest = order.popFirst() { dropFirst(of: oldest) }
        // Entries of deliveries that have left do not pile up.
        if order.count > 2 * limit { compact() }
    }

    mutating func forget(_ delivery: DeliveryID) {
        if let rows = attempts.removeValue(forKey: delivery) { count -= rows.count }
    }

    /// Oldest first.
    subscript(delivery: DeliveryID) -> [AttemptRow] { attempts[delivery] ?? [] }

    private mutating func dropFirst(of delivery: DeliveryID) {
        guard attempts[delivery] != nil else { return }
        attempts[delivery]?.removeFirst()
        count -= 1
        if attempts[delivery]?.isEmpty == true { attempts[delivery] = nil }
    }

    private mutating func compact() {
        order = Deque(order.filter { attempts[$0] != nil })
    }
}
