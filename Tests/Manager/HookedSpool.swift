import Filter
import Mail
import NIOCore
import Synchronization

@testable import Spool

/// A real spool in which a test can make a commit fail and stop a read until it says so.
final class HookedSpool: Spool {
    private struct State {
        var failsCommits = false
        var beforeCommit: (@Sendable ([SpoolWrite]) -> Void)?
        var damagedDestination: Int64?
        var beforeBody: (@Sendable () -> Void)?
        var afterPage: (@Sendable () -> Void)?
    }

    private let base: any Spool
    private let state = Mutex(State())

    init(_ base: any Spool) { self.base = base }

    func failCommits(_ on: Bool) { state.withLock { $0.failsCommits = on } }
    /// The rows of one destination lie on a page that cannot be read any more.
    func damage(destination: Int64?) { state.withLock { $0.damagedDestination = destination } }
    func beforeCommit(_ hook: (@Sendable ([SpoolWrite]) -> Void)?) {
        state.withLock { $0.beforeCommit = hook }
    }
    func beforeBody(_ hook: (@Sendable () -> Void)?) { state.withLock { $0.beforeBody = hook } }
    func afterPage(_ hook: (@Sendable () -> Void)?) { state.withLock { $0.afterPage = hook } }

    func commit(_ writes: [SpoolWrite]) throws(SpoolError) {
        state.withLock { $0.beforeCommit }?(writes)
        if state.withLock({ $0.failsCommits }) {
            throw SpoolError(code: .cannotWrite, cause: "disk full", context: "commit")
        }
        try base.commit(writes)
    }
    func body(of message: MessageID) throws(SpoolError) -> ByteBuffer? {
        let body = try base.body(of: message)
        state.withLock { $0.beforeBody }?()
        return body
    }
    func deliveries(
        destination: Int64?, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> [StoredDelivery] {
        if let destination, state.withLock({ $0.damagedDestination }) == destination {
            throw SpoolError(code: .damaged, cause: "malformed", context: "deliveries")
        }
        let page = try base.deliveries(destination: destination, after: after, limit: limit)
        state.withLock { $0.afterPage }?()
        return page
    }
    func queue(
        of destinations: Set<Int64>, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> QueuePage? {
        // A damaged page is met only by those who read the table.
        guard state.withLock({ $0.damagedDestination }) == nil else { return nil }
        let page = try base.queue(of: destinations, after: after, limit: limit)
        state.withLock { $0.afterPage }?()
        return page
    }
    func reserveMessageIDs(_ count: Int) throws(SpoolError) -> Range<Int64> {
        try base.reserveMessageIDs(count)
    }
    func message(_ id: MessageID) throws(SpoolError) -> MessageRecord? { try base.message(id) }
    func deliveries(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredDelivery] {
        try base.deliveries(ids)
    }
    func figures(_ ids: [DeliveryID]) throws(SpoolError) -> [DeliveryFigures] {
        try base.figures(ids)
    }
    func states(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredState?] {
        try base.states(ids)
    }
    func deliveries(of message: MessageID) throws(SpoolError) -> [StoredDelivery] {
        try base.deliveries(of: message)
    }
    func attempts(of message: MessageID) throws(SpoolError) -> [StoredAttempt] {
        try base.attempts(of: message)
    }
    func unrouted() throws(SpoolError) -> [StoredDelivery] { try base.unrouted() }
    func copyForBackup() throws(SpoolError) -> SpoolCopy { try base.copyForBackup() }
    func messageCount() throws(SpoolError) -> Int { try base.messageCount() }
    func actionCount() throws(SpoolError) -> Int { try base.actionCount() }
    func page(_ query: DeliveryQuery) throws(SpoolError) -> DeliveryPage { try base.page(query) }
    func select(_ query: DeliveryQuery) throws(SpoolError) -> DeliverySet {
        try base.select(query)
    }
    func census(
        ages: [Double], due: [Double], at now: UnixTime
    ) throws(SpoolError) -> QueueCensus {
        try base.census(ages: ages, due: due, at: now)
    }
    func tallies() throws(SpoolError) -> [DestinationTally] { try base.tallies() }
    func destinations() throws(SpoolError) -> [DestinationRecord] { try base.destinations() }
    func actions(limit: Int, offset: Int) throws(SpoolError) -> [ActionRecord] {
        try base.actions(limit: limit, offset: offset)
    }
    func action(_ id: Int64) throws(SpoolError) -> ActionRecord? { try base.action(id) }
    func removed(for action: Int64) throws(SpoolError) -> Int { try base.removed(for: action) }
    func close() { base.close() }
}
