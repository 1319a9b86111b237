import Synchronization

/// How it stands with one of several hosts, and what it said last.
final class HostLink: Sendable {
    /// An answer that is kept for the time when there is none.
    struct Kept<Value: Sendable>: Sendable {
        var value: Value
        /// On the clock of `MergedHosts`.
        var at: Duration
    }

    private struct State {
        /// Why it cannot be reached; nil: it can, as far as is known.
        var problem: String?
        /// It is being asked whether it is back.
        var isTried = false
        var triedAt = Duration.zero
        var kept: [String: Kept<any Sendable>] = [:]
        /// The keys of `kept`, the oldest first.
        var order: [String] = []
    }

    let name: String
    let api: any DaemonAPI
    private let state = Mutex(State())

    /// Answers that are kept: one of each kind, and lists by a few filters and orders.
    private static let maximumKept = 24
    /// Between two looks whether a host is back.
    private static let trial = Duration.seconds(1)

    init(name: String, api: any DaemonAPI) {
        self.name = name
        self.api = api
    }

    /// Why it cannot be reached; nil: it can, as far as is known.
    var problem: String? { state.withLock(\.problem) }

    func reached() {
        state.withLock { $0.problem = nil }
    }

    func lost(_ problem: String) {
        state.withLock { $0.problem = problem }
    }

    /// Whether it is to be asked now whether it is back: it is lost, and nobody does so.
    func startsTrial(at now: Duration) -> Bool {
        state.withLock { state in
            guard state.problem != nil, !state.isTried, now - state.triedAt >= Self.trial else {
                return false
            }
            state.isTried = true
            state.triedAt = now
            return true
        }
    }

    func trialEnded() {
        state.withLock { $0.isTried = false }
    }

    // MARK: What it said

    func keep<Value: Sendable>(_ value: Value, as key: String, at now: Duration) {
        state.withLock { state in
            state.order.removeAll { $0 == key }
            state.order.append(key)
            state.kept[key] = Kept(value: value, at: now)
            if state.order.count > Self.maximumKept {
                state.kept[state.order.removeFirst()] = nil
            }
        }
    }

    func kept<Value: Sendable>(_ type: Value.Type = Value.self, as key: String) -> Kept<Value>? {
        state.withLock { state in
            guard let kept = state.kept[key], let value = kept.value as? Value else { return nil }
            return Kept(value: value, at: kept.at)
        }
    }

    /// The latest of those whose key begins so.
    func latest<Value: Sendable>(
        _ type: Value.Type = Value.self, startingWith prefix: String
    ) -> Kept<Value>? {
        let key = state.withLock { state in state.order.last { $0.hasPrefix(prefix) } }
        return key.flatMap { kept(as: $0) }
    }
}
