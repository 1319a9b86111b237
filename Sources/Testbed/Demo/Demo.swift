package import NIOCore
import Synchronization

/// The demonstration: an Internet in a box, a daemon with a spool in a temporary directory, traffic
/// into it, and whatever looks at it. Leaves nothing behind, however it ends, unless the daemon
/// failed: then its log stays, and the error says where.
package final class Demo: Sendable {
    package struct Options: Sendable {
        /// Messages per second, on average.
        package var rate = 60.0
        /// Small sites beside the well-known ones.
        package var tail = 150
        package var seed: UInt64 = 1
        /// How long the daemon may take to accept on its control socket.
        package var startLimit: Duration = .seconds(20)
        /// How long it may take to end in order.
        package var endLimit: Duration = .seconds(10)

        package init() {}
    }

    private let options: Options
    private let group: any EventLoopGroup
    private let cancellations: AsyncStream<Void>
    private let cancellation: AsyncStream<Void>.Continuation

    package init(group: any EventLoopGroup, options: Options = Options()) {
        self.group = group
        self.options = options
        (cancellations, cancellation) = AsyncStream.makeStream()
    }

    /// Ends `run` in order, as if the monitor had been quit; from any thread, also before it runs.
    package func cancel() {
        cancellation.finish()
    }

    /// Starts everything, calls `monitor`, and ends everything when it returns, throws, or `cancel`
    /// is called: `monitor` is cancelled then, and waited for.
    ///
    /// - Parameters:
    ///   - daemonPath: The program `sluiced`.
    ///   - monitor: Is given the path of the control socket.
    /// - Throws: What `monitor` throws; `TestbedError.daemon` if the daemon does not come up or ends
    ///   by itself.
    package func run(
        daemonPath: String, monitor: @escaping @Sendable (_ socketPath: String) async throws -> Void
    ) async throws {
        let internet = try await Internet.start(
            group: group, tail: options.tail, seed: options.seed)
        let outcome = await result {
            let directory = try DemoDirectory(routes: internet.staticRoutes)
            let outcome = await result {
                try await run(daemonPath: daemonPath, directory, internet, monitor)
            }
            if case .failure(let error) = outcome, case TestbedError.daemon = error {
                // Its log is worth more than a clean /tmp.
            } else {
                directory.remove()
            }
            try outcome.get()
        }
        await internet.shutDown()
        try outcome.get()
    }

    private func run(
        daemonPath: String, _ directory: DemoDirectory, _ internet: Internet,
        _ monitor: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        let daemon = try DaemonProcess(
            path: daemonPath, arguments: ["--config", directory.configuration],
            log: directory.log, eventLoop: group.next())
        let outcome = await result {
            try await untilOneEnds([
                { for await _ in self.cancellations {} },
                {
                    try await self.awaitStart(of: daemon, directory)
                    try await self.show(daemon, directory, internet, monitor)
                },
            ])
        }
        await daemon.terminate(grace: options.endLimit)
        try outcome.get()
    }

    private func show(
        _ daemon: DaemonProcess, _ directory: DemoDirectory, _ internet: Internet,
        _ monitor: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        var traffic = Traffic.Options()
        traffic.rate = options.rate
        let generator = Traffic(
            MailStream(domains: internet.domains, seed: options.seed), port: directory.intakePort,
            group: group, options: traffic)
        try await untilOneEnds([
            { await generator.run() },
            { try await monitor(directory.controlSocket) },
            { try await self.watch(daemon, directory) },
        ])
    }

    private func awaitStart(of daemon: DaemonProcess, _ directory: DemoDirectory) async throws {
        let deadline = ContinuousClock.now + options.startLimit
        while !accepts(socket: directory.controlSocket) {
            try throwIfEnded(daemon, "sluiced did not start", directory)
            guard ContinuousClock.now < deadline else {
                throw failure("sluiced does not accept on its control socket", directory)
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func watch(_ daemon: DaemonProcess, _ directory: DemoDirectory) async throws {
        while true {
            try throwIfEnded(daemon, "sluiced ended", directory)
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    private func throwIfEnded(
        _ daemon: DaemonProcess, _ what: String, _ directory: DemoDirectory
    ) throws {
        guard let ending = daemon.ending else { return }
        throw failure("\(what) (\(ending))", directory)
    }

    private func failure(_ what: String, _ directory: DemoDirectory) -> TestbedError {
        .daemon(what, log: directory.log, lastLines: lastLines(of: directory.log, count: 10))
    }
}

/// What `body` returned or threw, as a value: so that cleaning up, which awaits, can come between.
private func result<Success>(_ body: () async throws -> Success) async -> Result<
    Success, any Error
> {
    do {
        return .success(try await body())
    } catch {
        return .failure(error)
    }
}

/// Runs all of them, cancels the others as soon as one returns or throws, waits for them, and
/// throws what that one threw.
private func untilOneEnds(_ bodies: [@Sendable () async throws -> Void]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        for body in bodies {
            tasks.addTask(operation: body)
        }
        defer { tasks.cancelAll() }
        try await tasks.next()
    }
}
