import Dispatch
import Mail
import NIOCore
import Synchronization

@testable import Spool

/// A spool that fails, or waits, where a test says so, and remembers what it was asked to commit.
final class FaultySpool: Spool {
    private struct State {
        var batches: [[SpoolWrite]] = []
        var gated = false
    }

    private let base: (any Spool)?
    private let state = Mutex(State())
    private let fault: @Sendable (_ commit: Int, _ writes: [SpoolWrite]) -> SpoolError?
    /// Signalled when a gated commit begins, and waited for before it goes on.
    private let entered = DispatchSemaphore(value: 0)
    private let gate = DispatchSemaphore(value: 0)

    /// - Parameter fault: what the commit (counted from 0) fails with, if it fails.
    init(
        _ base: (any Spool)? = nil,
        fault: @escaping @Sendable (_ commit: Int, _ writes: [SpoolWrite]) -> SpoolError? = {
            _, _ in nil
        }
    ) {
        self.base = base
        self.fault = fault
    }

    var batches: [[SpoolWrite]] { state.withLock { $0.batches } }

    /// From now on every commit waits for `letOneThrough`.
    func closeGate() { state.withLock { $0.gated = true } }

    func waitUntilACommitHasBegun() { entered.wait() }

    func letOneThrough() { gate.signal() }

    func openGate() {
        state.withLock { $0.gated = false }
        gate.signal()
    }

    func commit(_ writes: [SpoolWrite]) throws(SpoolError) {
        let (index, gated) = state.withLock {
            $0.batches.append(writes)
            return ($0.batches.count - 1, $0.gated)
        }
        if gated {
            entered.signal()
            gate.wait()
        }
        if let error = fault(index, writes) { throw error }
        try base?.commit(writes)
    }

    private var real: any Spool {
        guard let base else { fatalError("this spool can only be written") }
        return base
    }

    func reserveMessageIDs(_ count: Int) throws(SpoolError) -> Range<Int64> {
        try real.reserveMessageIDs(count)
    }
    func body(of message: MessageID) throws(SpoolError) -> ByteBuffer? {
        try real.body(of: message)
    }
    func message(_ id: MessageID) throws(SpoolError) -> MessageRecord? { try real.message(id) }
    func deliveries(
        destination: Int64?, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> [StoredDelivery] {
        try real.deliveries(destination: destination, after: after, limit: limit)
    }
    func deliveries(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredDelivery] {
        try real.deliveries(ids)
    }
    func figures(_ ids: [DeliveryID]) throws(SpoolError) -> [DeliveryFigures] {
        try real.figures(ids)
    }
    func states(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredState?] {
        try real.states(ids)
    }
    func deliveries(of message: MessageID) throws(SpoolError) -> [StoredDelivery] {
        try real.deliveries(of: message)
    }
    func attempts(of message: MessageID) throws(SpoolError) -> [StoredAttempt] {
        try real.attempts(of: message)
    }
    func unrouted() throws(SpoolError) -> [StoredDelivery] { try real.unrouted() }
    func copyForBackup() throws(SpoolError) -> SpoolCopy { try real.copyForBackup() }
    func messageCount() throws(SpoolError) -> Int { try real.messageCount() }
    func actionCount() throws(SpoolError) -> Int { try real.actionCount() }
    func page(_ query: DeliveryQuery) throws(SpoolError) -> DeliveryPage { try real.page(query) }
    func select(_ query: DeliveryQuery) throws(SpoolError) -> DeliverySet {
        try real.select(query)
    }
    func census(
        ages: [Double], due: [Double], at now: UnixTime
    ) throws(SpoolError) -> QueueCensus {
        try real.census(ages: ages, due: due, at: now)
    }
    func tallies() throws(SpoolError) -> [DestinationTally] { try real.tallies() }
    func destinations() throws(SpoolError) -> [DestinationRecord] { try real.destinations() }
    func actions(limit: Int, offset: Int) throws(SpoolError) -> [ActionRecord] {
        try real.actions(limit: limit, offset: offset)
    }
    func action(_ id: Int64) throws(SpoolError) -> ActionRecord? { try real.action(id) }
    func removed(for action: Int64) throws(SpoolError) -> Int { try real.removed(for: action) }
    func close() { base?.close() }
}
