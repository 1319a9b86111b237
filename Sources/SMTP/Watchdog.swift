import NIOCore

/// One deadline that moves often and is rarely reached: moving it later costs no timer. Confined to
/// its event loop.
final class Watchdog {
    private let loop: any EventLoop
    private let expired: () -> Void
    private var deadline: NIODeadline?
    private var task: Scheduled<Void>?
    private var wakes: NIODeadline = .distantFuture

    init(on loop: any EventLoop, expired: @escaping () -> Void) {
        self.loop = loop
        self.expired = expired
    }

    /// In place of the deadline before.
    func arm(_ timeout: Duration) {
        let deadline = loop.now + TimeAmount(timeout)
        self.deadline = deadline
        // A timer that wakes too early looks at the deadline and sleeps again.
        if task == nil || wakes > deadline { schedule(deadline) }
    }

    func disarm() {
        deadline = nil
    }

    /// Ends it: the closure is not called any more and nothing holds it.
    func cancel() {
        deadline = nil
        task?.cancel()
        task = nil
    }

    private func schedule(_ time: NIODeadline) {
        task?.cancel()
        wakes = time
        task = loop.assumeIsolated().scheduleTask(deadline: time) { self.wake() }
    }

    private func wake() {
        task = nil
        guard let deadline else { return }
        if loop.now < deadline {
            schedule(deadline)
        } else {
            self.deadline = nil
            expired()
        }
    }
}
