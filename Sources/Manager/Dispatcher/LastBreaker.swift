import Control
import Mail
import Scheduler

/// What was known of a destination's breaker before a report: of its owner, or stored when it had
/// none.
struct LastBreaker {
    private let state: UInt8
    private let until: UnixTime?
    private let failures: Int

    init(_ destination: Destination) {
        if let report = destination.report {
            state = report.breaker
            until = report.breakerUntil
            failures = report.failures
        } else {
            let isOpen = DestinationSnapshot(decoding: destination.snapshot)?.openFor != nil
            state = isOpen ? 1 : 0
            until = nil
            failures = .max
        }
    }

    /// It is in another state, or open anew: a probe that fails at once is over before anybody has
    /// reported it.
    func differs(from report: DestinationReport) -> Bool {
        if state != report.breaker { return true }
        guard report.breaker == 1, report.failures > failures, let until,
            let now = report.breakerUntil
        else { return false }
        return now > until
    }
}
