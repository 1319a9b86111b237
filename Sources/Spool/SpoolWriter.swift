package import NIOCore
import Synchronization

/// Commits what is submitted, on a thread of its own.
///
/// Group commit without a timer: while one commit waits for the disk the next batch gathers, and
/// is taken whole when the commit has ended. So a lone message waits for nothing, and under load
/// many share one fsync. (Measured: waiting for more makes it slower.)
///
/// A submission is atomic, and submissions are applied in their order, eager and lazy ones alike.
/// When a batch fails because of one submission in it (`refused`, `damaged`), they are committed
/// one by one; when the disk fails (`cannotWrite`), all of them fail, as trying each again would
/// only prolong it.
package final class SpoolWriter: Sendable {
    /// Called on the event loop of the submission.
    package typealias Completion = @Sendable (Result<Void, SpoolError>) -> Void

    private struct Submission {
        var writes: [SpoolWrite]
        var loop: any EventLoop
        var completion: Completion
        var bytes: Int
    }

    private struct Pending {
        var submissions: [Submission] = []
        /// Some of them do not wait.
        var eager = false
        /// When the oldest lazy one must go (`Monotonic.now`).
        var lazyDeadline: UInt64?
        var closed = false
    }

    private let spool: any Spool
    private let pending = Waitable(Pending())
    private let bytes = Atomic<Int>(0)
    private let thread = Mutex<BlockingThread?>(nil)
    /// Nanoseconds.
    private let lazyDelay: UInt64

    /// - Parameter lazyDelay: how long a lazy submission waits for an eager one to ride with.
    package init(spool: any Spool, lazyDelay: Duration = .milliseconds(20)) {
        self.spool = spool
        let (seconds, attoseconds) = lazyDelay.components
        self.lazyDelay = UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
        thread.withLock { $0 = BlockingThread { self.run() } }
    }

    /// Roughly the memory held by what is submitted and not committed yet, for back-pressure:
    /// beyond some megabytes the disk does not keep up and intake should pause.
    package var pendingBytes: Int { bytes.load(ordering: .relaxed) }

    /// Commits as soon as the commit that runs now has ended.
    package func submit(
        _ writes: [SpoolWrite], on loop: any EventLoop, completion: @escaping Completion
    ) {
        enqueue(writes, lazily: false, on: loop, completion)
    }

    /// Commits with the next eager submission, or after the lazy delay: for what may be done
    /// twice after a crash at little cost, such as removals.
    package func submitLazily(
        _ writes: [SpoolWrite], on loop: any EventLoop, completion: @escaping Completion
    ) {
        enqueue(writes, lazily: true, on: loop, completion)
    }

    /// Commits what is pending and ends the thread. What is submitted later fails. Blocks.
    package func close() {
        pending.withLock { $0.closed = true }
        pending.wakeAll()
        thread.withLock { $0.take() }?.join()
    }

    private func enqueue(
        _ writes: [SpoolWrite], lazily: Bool, on loop: any EventLoop,
        _ completion: @escaping Completion
    ) {
        let weight = writes.reduce(0) { $0 + $1.weight }
        let submission = Submission(
            writes: writes, loop: loop, completion: completion, bytes: weight)
        // Before it can be committed, or the count would go below zero.
        bytes.add(weight, ordering: .relaxed)
        let accepted = pending.withLock { pending in
            guard !pending.closed else { return false }
            pending.submissions.append(submission)
            if !lazily {
                pending.eager = true
            } else if pending.lazyDeadline == nil {
                pending.lazyDeadline = Monotonic.now + lazyDelay
            }
            return true
        }
        guard accepted else {
            bytes.subtract(weight, ordering: .relaxed)
            let error = SpoolError(
                code: .unusable, cause: "the spool's writer has been closed", context: "submit")
            return loop.execute { completion(.failure(error)) }
        }
        pending.wakeOne()
    }

    // MARK: On the thread

    private func run() {
        while let batch = next() {
            let results = commit(batch)
            bytes.subtract(batch.reduce(0) { $0 + $1.bytes }, ordering: .relaxed)
            complete(batch, results)
        }
    }

    /// Waits for something to do; nil at the end.
    private func next() -> [Submission]? {
        pending.wait { pending in
            let due = pending.lazyDeadline.map { $0 <= Monotonic.now } ?? false
            guard pending.eager || due || pending.closed else {
                return .wait(until: pending.lazyDeadline)
            }
            let batch = pending.submissions
            pending.submissions = []
            pending.eager = false
            pending.lazyDeadline = nil
            return .ready(batch.isEmpty ? nil : batch)
        }
    }

    /// One result for each submission.
    private func commit(_ batch: [Submission]) -> [Result<Void, SpoolError>] {
        do throws(SpoolError) {
            try spool.commit(batch.count == 1 ? batch[0].writes : batch.flatMap(\.writes))
            return batch.map { _ in .success(()) }
        } catch {
            guard batch.count > 1, error.concernsOne else {
                return batch.map { _ in .failure(error) }
            }
            return commitSingly(batch)
        }
    }

    private func commitSingly(_ batch: [Submission]) -> [Result<Void, SpoolError>] {
        var fatal: SpoolError?
        return batch.map { submission in
            if let fatal { return .failure(fatal) }
            do throws(SpoolError) {
                try spool.commit(submission.writes)
                return .success(())
            } catch {
                if !error.concernsOne { fatal = error }
                return .failure(error)
            }
        }
    }

    /// Wakes each event loop once.
    private func complete(_ batch: [Submission], _ results: [Result<Void, SpoolError>]) {
        typealias Call = (Completion, Result<Void, SpoolError>)
        var groups: [(loop: any EventLoop, calls: [Call])] = []
        for (submission, result) in zip(batch, results) {
            let call = (submission.completion, result)
            if let index = groups.firstIndex(where: { $0.loop === submission.loop }) {
                groups[index].calls.append(call)
            } else {
                groups.append((submission.loop, [call]))
            }
        }
        for (loop, calls) in groups {
            loop.execute {
                for (completion, result) in calls { completion(result) }
            }
        }
    }
}

extension SpoolError {
    /// Others in the same batch may well succeed.
    fileprivate var concernsOne: Bool { code == .refused || code == .damaged }
}

extension SpoolWrite {
    /// Roughly, in bytes of memory.
    fileprivate var weight: Int {
        switch self {
        case .accept(let message): message.body.readableBytes + 512 * (1 + message.deliveries.count)
        case .route(_, let deliveries): 256 * (1 + deliveries.count)
        case .mark(let ids, _, _, _), .removeAll(let ids, _, _), .reschedule(let ids, _):
            64 + 8 * ids.count
        case .action(let action): 512 + action.details.count
        case .destination(let record): 512 + record.scheduler.count
        case .remove, .update, .attempt, .warned, .forgetDestination, .forgetCount, .moving,
            .probe:
            256
        }
    }
}
