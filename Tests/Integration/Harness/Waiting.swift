import Synchronization

/// What did not happen in time.
struct Overdue: Error, CustomStringConvertible {
    var description: String
}

/// Asks again and again until `poll` has an answer. The limit only bounds a failure: no test
/// depends on how long something takes.
func eventually<Value>(
    _ what: String, within limit: Duration = .seconds(300), _ poll: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try await poll() { return value }
        guard ContinuousClock.now < deadline else {
            throw Overdue(description: "not within \(limit): \(what)")
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

func waitUntil(
    _ what: String, within limit: Duration = .seconds(300), _ condition: () async throws -> Bool
) async throws {
    let _: Void = try await eventually(what, within: limit) { try await condition() ? () : nil }
}

/// A value that a test's tasks share.
final class Shared<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    init(_ value: Value) { mutex = Mutex(value) }

    var value: Value {
        get { mutex.withLock { $0 } }
        set { mutex.withLock { $0 = newValue } }
    }
}
