import Control
import Faults
import Logging
import Mail
import NIOCore
import NIOPosix
import NIOSSL
import Scheduler
import ServiceLifecycle
import Settings
import Spool

/// What the plant is made from, carried to the event loop that it lives on.
struct StartContext: Sendable {
    var loop: any EventLoop
    var clocks: Clocks
    var writer: SpoolWriter
    var reader: SpoolReader
    var logger: Logger
    var log: LineLog
    var events: EventBus
    var configuration: Configuration
    var ids: Range<Int64>
    var executable: String
    var lock: WorkerLock
    /// nil: the only one that uses the spool.
    var node: ClusterNode?
}

/// Intake, dispatcher and workers: all that moves mail, on one event loop.
final class MailPlant {
    /// The plant for other threads.
    struct Handle: Sendable {
        fileprivate let plant: NIOLoopBound<MailPlant>
        let handle: DispatcherHandle
        fileprivate let context: StartContext
    }

    private let dispatcher: Dispatcher
    private let supervisor: Supervisor
    private let intake: IntakeServer
    private let context: StartContext

    private init(_ context: StartContext) {
        self.context = context
        dispatcher = Dispatcher(
            loop: context.loop, clocks: context.clocks, writer: context.writer,
            reader: context.reader, logger: context.logger,
            attemptLog: AttemptLog(log: context.log),
            events: context.events, configuration: context.configuration, ids: context.ids)
        supervisor = Supervisor(
            dispatcher: dispatcher, executable: context.executable, lock: context.lock.descriptor,
            logger: context.logger)
        dispatcher.supervisor = supervisor
        dispatcher.workerLock = context.lock
        if let node = context.node {
            dispatcher.districts = Districts(node: node)
            dispatcher.routing.isShared = true
            node.start(DispatcherHandle(dispatcher))
        }
        intake = IntakeServer(dispatcher: dispatcher, logger: context.logger)
    }

    /// Must be called on the context's loop.
    static func make(_ context: StartContext) -> Handle {
        let plant = MailPlant(context)
        return Handle(
            plant: NIOLoopBound(plant, eventLoop: context.loop),
            handle: DispatcherHandle(plant.dispatcher), context: context)
    }
}

extension MailPlant.Handle {
    /// What lay in the spool and in the workers' journals comes back before anything starts.
    func restore(journals: WorkerJournals) async throws {
        let reader = context.reader
        let stored = try await reader.read { spool throws(SpoolError) in
            try RestoredState(spool)
        }
        let lived = context.lock.lived
        try await handle.run { $0.restore(stored, lived: lived) }
        FaultPoint.restored.reached()
        for journal in try journals.read() {
            FaultPoint.journalRead.reached()
            try await handle.run { dispatcher, promise in
                dispatcher.replay(journal.reports, of: journal.worker, promise)
            }
            FaultPoint.journalRecorded.reached()
            journals.remove(journal)
        }
    }

    func start() async throws {
        let settings = context.configuration.intake
        var tls: NIOSSLContext?
        if let certificate = settings.certificate {
            tls = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: try NIOSSLCertificate.fromPEMFile(certificate.chain).map {
                        .certificate($0)
                    },
                    privateKey: .privateKey(
                        try NIOSSLPrivateKey(file: certificate.key, format: .pem))))
        }
        let addresses = try await context.loop.flatSubmit { [plant, tls] in
            plant.value.supervisor.start(workers: plant.value.context.configuration.workers)
            plant.value.dispatcher.startTicking()
            return plant.value.intake.start(tls: tls)
        }.get()
        for address in addresses {
            context.logger.notice(
                "intake ready",
                metadata: ["address": "\(address.ipAddress ?? "?"):\(address.port ?? 0)"])
        }
    }

    /// How long a spool that cannot record keeps the process from ending when all else has.
    private static let lastPatience: Duration = .seconds(3)

    /// Intake first, then the running transactions, then what they reported.
    func stop() async throws {
        let grace = context.configuration.supervision.shutdownTimeout
        try await context.loop.flatSubmit { [plant] in
            plant.value.context.logger.notice("stopping: no new mail is taken in")
            plant.value.dispatcher.isStopping = true
            FaultPoint.stopping.reached()
            return plant.value.intake.stop(within: grace)
        }.get()
        try await context.loop.flatSubmit { [plant] in
            plant.value.supervisor.stop(grace: grace)
        }.get()
        try await handle.run { (dispatcher, promise: EventLoopPromise<Void>) in
            dispatcher.persistSnapshots()
            dispatcher.lastBarrier(within: Self.lastPatience) { promise.succeed() }
        }
    }
}

/// The plant as a service: runs until the group is shut down.
struct MailService: Service {
    let mail: MailPlant.Handle
    let events: EventBus

    func run() async throws {
        try await mail.start()
        try await gracefulShutdown()
        try await mail.stop()
        events.finish()
    }
}
