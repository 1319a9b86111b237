package import Control
import FoundationEssentials
import Glibc
package import Logging
import Mail
import NIOCore
import NIOPosix
import NIOSSL
import Scheduler
import ServiceLifecycle
package import Settings
import SharedSpool
import Spool
import UnixSignals

/// The manager process: puts its parts together, runs them, and ends them in order.
package struct Manager: Sendable {
    private let configuration: Configuration
    private let path: String
    private let log: LineLog
    private let logger: Logger
    private let clocks: Clocks
    private let correction = ClockCorrection()

    /// `path` is the configuration's file, for reloads.
    package init(
        configuration: Configuration, path: String, log: LineLog, logger: Logger,
        clocks: Clocks = .system
    ) {
        self.configuration = configuration
        self.path = path
        self.log = log
        self.logger = logger
        self.clocks = clocks.corrected(by: correction)
    }

    /// Runs until SIGTERM or SIGINT. Throws what keeps it from starting.
    package func run() async throws {
        let directory = try openDirectory()
        defer { directory?.release() }
        // Where it has the data directory's lock, no other daemon of it lives; then it may wait.
        let isNode = configuration.cluster.node != nil
        var spool = isNode ? nil : try openSpool(as: nil)
        var lock = try WorkerLock(directory: configuration.dataDirectory)
        try await lock.awaitOldWorkers(
            logger: logger, patience: configuration.supervision.shutdownTimeout + .seconds(10),
            clocks: clocks)
        // A node's new life begins when the last one is over, its workers' too.
        let node = try joinCluster()
        defer { node?.stop(leaves: false) }
        if let node { spool = try openSpool(as: node.spool) }
        guard let spool else { return }
        let writer = SpoolWriter(spool: spool)
        let reader = SpoolReader(spool: spool, threads: 2)
        let smtpLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let controlLoops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let events = EventBus()
        let first = try spool.reserveMessageIDs(MessageIDs.block)
        let context = StartContext(
            loop: smtpLoops.next(), clocks: clocks, writer: writer, reader: reader,
            logger: logger, log: log, events: events, configuration: configuration, ids: first,
            executable: try Self.executable(), lock: lock, node: node)
        let mail = try await context.loop.submit { MailPlant.make(context) }.get()
        let journals = WorkerJournals(directory: configuration.dataDirectory)
        try await mail.restore(journals: journals)
        // Before the first worker starts: what it sends in the first second counts too.
        lock.renew(at: clocks.wall())
        try await mail.handle.run { $0.takePart() }
        let peers = try openPeers(node, controlLoops.next())
        peers?.start(mail.handle)
        defer { peers?.stop() }
        let api = NodeAPI(
            dispatcher: mail.handle, reader: reader, census: Census(reader: reader, clocks: clocks))
        let control = ControlServer(
            api: ClusterAPI(node: api, peers: peers), events: events,
            path: configuration.controlSocket, group: configuration.control.group,
            loops: controlLoops, logger: logger, reload: { try await reload(mail) }, log: log)
        let services = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    // Ended in reverse order: mail first, so that the control socket shows it.
                    .init(service: control)
                ] + (peers.map { [.init(service: service(answering: $0, api, events))] } ?? []) + [
                    .init(service: MailService(mail: mail, events: events))
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await services.run() }
            group.addTask { try await watchSignals(mail) }
            try await group.next()
            group.cancelAll()
        }
        // What is not recorded by now is found by this node's next life, and by nobody else.
        let isRecorded = try await mail.handle.run {
            $0.unrecorded.isEmpty && $0.spoolError == nil
        }
        let isClean = isRecorded && (try? journals.read().isEmpty) ?? false
        peers?.stop()
        writer.close()
        reader.close()
        spool.close()
        node?.stop(leaves: isClean)
        try await smtpLoops.shutdownGracefully()
        try await controlLoops.shutdownGracefully()
        logger.notice("stopped")
        log.flush()
    }

    /// The data directory where that is not the spool's own to lock: the workers' journals are in it
    /// anyway.
    private func openDirectory() throws -> DataDirectory? {
        guard configuration.spool.address != nil else { return nil }
        let directory = try DataDirectory(path: configuration.dataDirectory)
        if access(directory.databasePath, F_OK) == 0 {
            logger.warning(
                "data_dir holds a spool too, which is not used: mail in it stays there",
                metadata: ["file": "\(directory.databasePath)"])
        }
        return directory
    }

    private func openSpool(as node: SpoolNode?) throws -> any Spool {
        guard let address = configuration.spool.address else {
            return try SpoolPlace.directory(configuration.dataDirectory).open()
        }
        let spool = try SpoolPlace.database(address).open(node: node) { [logger] error in
            logger.error("part of the spool cannot be read", metadata: ["error": "\(error)"])
        }
        logger.notice("spool ready", metadata: ["at": "\(address)"])
        return spool
    }

    /// nil: this is the only one.
    private func joinCluster() throws -> ClusterNode? {
        guard let name = configuration.cluster.node, let address = configuration.spool.address
        else { return nil }
        let workers = 1...configuration.workers
        let node = try ClusterNode(
            name: name, lease: configuration.cluster.lease,
            weights: workers.map { configuration.weight(of: $0) }, address: address,
            home: try NodeHome(directory: configuration.dataDirectory).number, clocks: clocks,
            correction: correction, logger: logger)
        logger.notice("joined the cluster", metadata: ["node": "\(name)"])
        return node
    }

    private func service(
        answering peers: Peers, _ api: NodeAPI, _ events: EventBus
    ) -> PeerService {
        PeerService(
            api: api, peers: peers, events: events, sessions: LineSessions(clocks: clocks),
            logger: logger)
    }

    /// nil: there are no other nodes.
    private func openPeers(_ node: ClusterNode?, _ loop: any EventLoop) throws -> Peers? {
        guard let node, let address = configuration.spool.address else { return nil }
        return try Peers(
            node: node.id, address: address, answer: .seconds(5), loop: loop, clocks: clocks,
            logger: logger)
    }

    private var quiet: Logger {
        var logger = logger
        logger.logLevel = .warning
        return logger
    }

    private static func executable() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
        }
        guard count > 0 else {
            throw WorkerProcess.Failure(
                description: "/proc/self/exe cannot be read: \(WorkerProcess.errorText())")
        }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    /// SIGHUP reloads; a reload that fails keeps the old configuration. SIGUSR1 opens the log again.
    private func watchSignals(_ mail: MailPlant.Handle) async throws {
        for await signal in await UnixSignalsSequence(trapping: .sighup, .sigusr1) {
            if signal == .sigusr1 {
                logger.notice(
                    log.reopen()
                        ? "log opened again" : "SIGUSR1: the log is standard error, nothing to open"
                )
                continue
            }
            do {
                let result = try await reload(mail)
                logger.notice("\(result)")
            } catch let error as APIError {
                logger.error("\(error.message)")
            }
        }
        // The sequence ends only when the task is cancelled.
    }

    private func reload(_ mail: MailPlant.Handle) async throws -> String {
        let new: Configuration
        do throws(SettingsError) {
            new = try Configuration.load(path: path)
        } catch {
            throw APIError(
                code: "bad-configuration",
                message: "the configuration was not reloaded, the old one stays:\n\(error)")
        }
        do throws(LineLog.OpenError) {
            try log.change(to: new.log)
        } catch {
            throw APIError(
                code: "bad-configuration",
                message:
                    "the configuration was not reloaded, the old one stays:\nlog.file: \(error)")
        }
        return try await mail.handle.run { $0.reload(new) }
    }
}
