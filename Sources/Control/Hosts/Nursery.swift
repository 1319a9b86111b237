/// Runs what may outlast who asked for it, and ends with the scope that it belongs to.
struct Nursery: Sendable {
    typealias Job = @Sendable () async -> Void

    private let jobs: AsyncStream<Job>.Continuation

    /// False once the scope has ended: it is not run.
    @discardableResult
    func start(_ job: @escaping Job) -> Bool {
        if case .enqueued = jobs.yield(job) { return true }
        return false
    }

    /// What still runs when `body` returns is cancelled and waited for.
    static func with<R>(_ body: (Nursery) async throws -> R) async throws -> R {
        let (stream, continuation) = AsyncStream.makeStream(of: Job.self)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await withDiscardingTaskGroup { jobs in
                    for await job in stream { jobs.addTask { await job() } }
                }
            }
            defer {
                continuation.finish()
                group.cancelAll()
            }
            return try await body(Nursery(jobs: continuation))
        }
    }
}
