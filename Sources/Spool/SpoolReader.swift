import DequeModule
package import NIOCore
import Synchronization

/// Reads from the spool on threads of its own, for callers on event loops and in tasks.
package final class SpoolReader: Sendable {
    private struct Jobs {
        var waiting: Deque<@Sendable () -> Void> = []
        var closed = false
    }

    private let spool: any Spool
    private let jobs = Waitable(Jobs())
    private let threads = Mutex<[BlockingThread]>([])

    package init(spool: any Spool, threads count: Int = 2) {
        self.spool = spool
        let jobs = jobs
        threads.withLock {
            $0 = (0..<count).map { _ in BlockingThread { Self.run(jobs) } }
        }
    }

    package func read<T: Sendable>(
        _ body: @escaping @Sendable (any Spool) throws(SpoolError) -> T
    ) async throws(SpoolError) -> T {
        let result = await withCheckedContinuation { continuation in
            enqueue(body) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    /// `completion` is called on the event loop.
    package func read<T: Sendable>(
        on loop: any EventLoop,
        _ body: @escaping @Sendable (any Spool) throws(SpoolError) -> T,
        completion: @escaping @Sendable (Result<T, SpoolError>) -> Void
    ) {
        enqueue(body) { result in loop.execute { completion(result) } }
    }

    /// Ends the threads when all that is waiting has been read; later reads fail. Blocks.
    package func close() {
        jobs.withLock { $0.closed = true }
        jobs.wakeAll()
        for thread in threads.withLock({ exchange(&$0, with: []) }) { thread.join() }
    }

    private func enqueue<T: Sendable>(
        _ body: @escaping @Sendable (any Spool) throws(SpoolError) -> T,
        _ finish: @escaping @Sendable (Result<T, SpoolError>) -> Void
    ) {
        let spool = spool
        let accepted = jobs.withLock { jobs in
            guard !jobs.closed else { return false }
            jobs.waiting.append {
                do throws(SpoolError) {
                    finish(.success(try body(spool)))
                } catch {
                    finish(.failure(error))
                }
            }
            return true
        }
        guard accepted else {
            return finish(
                .failure(
                    SpoolError(
                        code: .unusable, cause: "the spool's reader has been closed",
                        context: "read")))
        }
        jobs.wakeOne()
    }

    private static func run(_ jobs: Waitable<Jobs>) {
        while let job = next(jobs) { job() }
    }

    private static func next(_ jobs: Waitable<Jobs>) -> (@Sendable () -> Void)? {
        jobs.wait { jobs in
            if let job = jobs.waiting.popFirst() { return .ready(job) }
            return jobs.closed ? .ready(nil) : .wait(until: nil)
        }
    }
}
