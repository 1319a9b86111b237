package import Control
import Glibc
package import Logging
import NIOCore
import NIOPosix
import Scheduler
package import Settings

/// The worker process: one event loop, the socket pair to its manager, and the engine.
package struct WorkerProgram {
    /// The descriptor under which the manager leaves the worker's end of the socket pair.
    package static let descriptor: Int32 = 3

    /// Runs until the manager says so or is gone. `logs` is called with each configuration, on the
    /// loop.
    package static func run(
        number: Int, logger: Logger, clocks: Clocks = .system,
        logs: @escaping @Sendable (LogSettings) -> Void = { _ in }
    ) async throws {
        // The manager decides when it ends; a receiver that hangs up must not.
        signal(SIGINT, SIG_IGN)
        signal(SIGPIPE, SIG_IGN)
        // Some are for the manager, DNS, the journal and the loop itself.
        let descriptors = max(16, DescriptorLimit.raise() - 64)
        let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = loops.next()
        let seed = UInt64.random(in: .min ... .max)
        let engine = try await loop.submit {
            let engine = Engine(loop: loop, clocks: clocks, logger: logger, seed: seed)
            engine.descriptors = descriptors
            engine.logs = logs
            return NIOLoopBound(engine, eventLoop: loop)
        }.get()
        let connected = ClientBootstrap(group: loop)
            .channelOption(.socketOption(.so_sndbuf), value: 1 << 20)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 4096, initial: 65536, maximum: 1 << 20)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(
                            FrameDecoder(), maximumBufferSize: Frame.maximumLength),
                        FrameEncoder(),
                        ManagerLinkHandler(engine.value),
                    ])
                    engine.value.link = ManagerLink(channel)
                }
            }
            .withConnectedSocket(descriptor)
        do {
            _ = try await connected.get()
        } catch {
            try await loop.submit { engine.value.ended.fail(error) }.get()
            try? await loops.shutdownGracefully()
            throw error
        }
        let ended = try await loop.submit {
            engine.value.link?.send(.hello(pid: getpid()))
            return engine.value.ended.futureResult
        }.get()
        try await ended.get()
        try await loops.shutdownGracefully()
    }
}
