import Synchronization
import Terminal

/// Carries answers from the tasks that fetched them to the thread that shows them.
final class Mailbox: Sendable {
    let waker: Waker
    private let state = Mutex(State())

    private struct State {
        var events: [ModelEvent] = []
        var isStopped = false
    }

    init(waker: Waker) {
        self.waker = waker
    }

    func post(_ event: ModelEvent) {
        state.withLock { $0.events.append(event) }
        waker.wake()
    }

    /// The loop is to end.
    func stop() {
        state.withLock { $0.isStopped = true }
        waker.wake()
    }

    func take() -> (events: [ModelEvent], isStopped: Bool) {
        state.withLock { state in
            defer { state.events.removeAll() }
            return (state.events, state.isStopped)
        }
    }
}
