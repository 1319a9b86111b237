import Control
import Synchronization

/// Who listens to events and traces. Nothing is made where nobody listens; a slow listener loses
/// lines and is told how many.
final class EventBus: Sendable {
    private struct State {
        var next = 0
        var events: [Int: AsyncStream<Event>.Continuation] = [:]
        var traces: [Int: Trace] = [:]
    }

    private struct Trace {
        var destination: String
        var wantsContent: Bool
        var continuation: AsyncStream<TraceLine>.Continuation
        var dropped = 0
    }

    static let depth = 1000
    private let state = Mutex(State())
    private let listeners = Atomic<Int>(0)

    /// Read on the hot path: whether anyone listens to events.
    var isWanted: Bool { listeners.load(ordering: .relaxed) > 0 }

    func events() -> AsyncStream<Event> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: Event.self, bufferingPolicy: .bufferingOldest(Self.depth))
        let id = state.withLock { state in
            state.next += 1
            state.events[state.next] = continuation
            return state.next
        }
        listeners.add(1, ordering: .relaxed)
        continuation.onTermination = { [weak self] _ in
            guard let self else { return }
            if state.withLock({ $0.events.removeValue(forKey: id) }) != nil {
                listeners.subtract(1, ordering: .relaxed)
            }
        }
        return stream
    }

    func publish(_ event: Event) {
        let continuations = state.withLock { Array($0.events.values) }
        for continuation in continuations { continuation.yield(event) }
    }

    /// - Parameter content: also what messages say.
    func traces(of destination: String, content: Bool) -> AsyncStream<TraceLine> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: TraceLine.self, bufferingPolicy: .bufferingOldest(Self.depth))
        let id = state.withLock { state in
            state.next += 1
            state.traces[state.next] = Trace(
                destination: destination, wantsContent: content, continuation: continuation)
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { _ = $0.traces.removeValue(forKey: id) }
        }
        return stream
    }

    func trace(_ line: TraceLine) {
        state.withLock { state in
            let isContent = line.direction == TraceLine.contentDirection
            for (id, trace) in state.traces where trace.destination == line.destination {
                if isContent, !trace.wantsContent { continue }
                var line = line
                line.dropped += trace.dropped
                if case .dropped = trace.continuation.yield(line) {
                    state.traces[id]?.dropped += 1
                } else {
                    state.traces[id]?.dropped = 0
                }
            }
        }
    }

    /// Ends all streams, so that their connections can close.
    func finish() {
        let (events, traces) = state.withLock { state in
            (Array(state.events.values), state.traces.values.map(\.continuation))
        }
        for continuation in events { continuation.finish() }
        for continuation in traces { continuation.finish() }
    }
}
