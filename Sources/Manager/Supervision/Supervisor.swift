import Control
import Glibc
import Logging
import Mail
import NIOCore
import NIOPosix
import Scheduler
import Settings

/// Keeps the workers alive: starts them, notices their exit and their silence, starts them again
/// with a delay that grows while they keep dying. Confined to the dispatcher's event loop.
final class Supervisor {
    private let dispatcher: Dispatcher
    private let executable: String
    private let lock: Int32
    private let logger: Logger
    private var slots: [Int: Slot] = [:]
    private var stopped: EventLoopPromise<Void>?

    /// A worker's place; its process changes.
    private struct Slot {
        var link: WorkerLink?
        var pid: pid_t?
        var startedAt: UnixTime?
        var startedInstant = Instant(nanoseconds: 0)
        var restarts = 0
        var quickDeaths = 0
        /// True when the place is to vanish with its process.
        var isLeaving = false
        /// Leaving, and told to end: too late to keep it.
        var isDismissed = false
        var heardAt: Instant?
        var cpu: Int64 = 0
        /// Ended its stream; being waited for.
        var isEnding = false
    }

    /// A worker that dies sooner after its start waits twice as long for the next one.
    private static let shortLife: Duration = .seconds(10)
    private func delay(after quickDeaths: Int) -> Duration {
        let settings = dispatcher.configuration.supervision
        return min(
            settings.restartCap, settings.restartFirst * (1 << min(max(quickDeaths - 1, 0), 30)))
    }

    init(dispatcher: Dispatcher, executable: String, lock: Int32, logger: Logger) {
        self.dispatcher = dispatcher
        self.executable = executable
        self.lock = lock
        self.logger = logger
    }

    func start(workers: Int) {
        dispatcher.drained = DrainedWorkers(directory: dispatcher.configuration.dataDirectory)
            .read().filter { $0.key <= workers }
        setCount(workers)
        tick()
    }

    /// How many workers there are to be.
    private(set) var count = 0

    /// Adds or removes workers; removed ones hand over what they have and end.
    func setCount(_ count: Int) {
        self.count = count
        for number in 1...max(count, 1) where number <= count {
            if slots[number] == nil {
                slots[number] = Slot()
                launch(number)
            } else if let slot = slots[number], slot.isLeaving, !slot.isDismissed {
                slots[number]?.isLeaving = false
                stay(number)
            }
        }
        for number in slots.keys where number > count { retire(number) }
        updateRing()
    }

    /// Gives a worker nothing new and lets it hand over what it has, or the other way round. Throws
    /// where that could not be written down; nothing has changed then.
    func setDrained(_ number: Int, by who: String?) throws(APIError) {
        var drained = dispatcher.drained
        drained[number] = who
        guard DrainedWorkers(directory: dispatcher.configuration.dataDirectory).write(drained)
        else {
            throw APIError(
                code: "not-written",
                message: "which workers are drained cannot be written into the data directory: "
                    + String(cString: strerror(errno)))
        }
        dispatcher.drained = drained
        dispatcher.publish(
            "worker",
            who.map { "worker \(number) is drained by \($0)" }
                ?? "worker \(number) takes mail again",
            worker: number)
        updateRing()
    }

    /// It was told to hand over what it has and did not get to its end.
    private func stay(_ number: Int) {
        guard let link = slots[number]?.link, dispatcher.links[number] === link else { return }
        link.isReady = true
        row(number) { $0.state = .running }
    }

    private func retire(_ number: Int) {
        slots[number]?.isLeaving = true
        // One that comes back some day is a new one.
        if dispatcher.drained.removeValue(forKey: number) != nil {
            _ = DrainedWorkers(directory: dispatcher.configuration.dataDirectory)
                .write(dispatcher.drained)
        }
        guard slots[number]?.pid != nil else {
            slots[number] = nil
            dispatcher.workerRows[number] = nil
            return
        }
        slots[number]?.link?.isReady = false
        row(number) { $0.state = .draining }
        // Ends when it owns nothing any more: see `tick`.
    }

    private func launch(_ number: Int) {
        guard stopped == nil, let slot = slots[number], slot.link == nil else { return }
        do {
            let (pid, socket) = try WorkerProcess.start(
                executable: executable, number: number, lock: lock,
                log: dispatcher.configuration.log)
            slots[number]?.pid = pid
            slots[number]?.isEnding = false
            slots[number]?.startedAt = dispatcher.clocks.wall()
            slots[number]?.startedInstant = dispatcher.clocks.monotonic()
            slots[number]?.heardAt = dispatcher.clocks.monotonic()
            slots[number]?.cpu = 0
            var row = dispatcher.workerRows[number] ?? WorkerRow(id: number, state: .starting)
            row.state = .starting
            row.pid = Int(pid)
            row.startedAt = slots[number]?.startedAt
            row.restartAt = nil
            row.restarts = slot.restarts
            dispatcher.workerRows[number] = row
            connect(number, pid: pid, socket: socket)
        } catch {
            logger.error(
                "cannot start a worker", metadata: ["worker": "\(number)", "error": "\(error)"])
            died(number, how: "\(error)")
        }
    }

    private func connect(_ number: Int, pid: pid_t, socket: Int32) {
        let bound = NIOLoopBound(self, eventLoop: dispatcher.loop)
        ClientBootstrap(group: dispatcher.loop)
            .channelOption(.socketOption(.so_sndbuf), value: 1 << 20)
            .channelOption(
                .recvAllocator,
                value: AdaptiveRecvByteBufferAllocator(
                    minimum: 4096, initial: 65536, maximum: 1 << 20)
            )
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let supervisor = bound.value
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(
                            FrameDecoder(), maximumBufferSize: Frame.maximumLength),
                        FrameEncoder(),
                        WorkerLinkHandler(
                            received: { [weak supervisor] in
                                supervisor?.received($0, from: number, pid: pid)
                            },
                            ended: { [weak supervisor] in
                                supervisor?.ended(number, pid: pid, error: $0)
                            }),
                    ])
                    let link = WorkerLink(worker: number, pid: pid, channel: channel)
                    supervisor.slots[number]?.link = link
                }
            }
            .withConnectedSocket(socket)
            .assumeIsolated()
            .whenComplete { result in
                guard case .failure(let error) = result else { return }
                bound.value.ended(number, pid: pid, error: error)
            }
    }

    private func received(_ frame: Frame, from number: Int, pid: pid_t) {
        guard let link = slots[number]?.link, link.pid == pid else { return }
        slots[number]?.heardAt = dispatcher.clocks.monotonic()
        switch frame {
        case .hello:
            hello(link)
        case .heartbeat(let load):
            heartbeat(load, from: number)
        default:
            dispatcher.received(frame, from: link)
        }
    }

    private func hello(_ link: WorkerLink) {
        dispatcher.configure(link)
        if dispatcher.spoolError != nil { link.send(.recording(false)) }
        if let districts = dispatcher.districts {
            link.send(districts.frame)
        }
        guard slots[link.worker]?.isLeaving == false else { return }
        link.isReady = true
        dispatcher.links[link.worker] = link
        row(link.worker) { $0.state = .running }
        logger.info(
            "worker started", metadata: ["worker": "\(link.worker)", "pid": "\(link.pid)"])
        dispatcher.publish(
            "worker", "worker \(link.worker) started, pid \(link.pid)", worker: link.worker)
        updateRing()
    }

    private func heartbeat(_ load: Load, from number: Int) {
        let now = dispatcher.clocks.wall()
        let spent = load.cpuMicroseconds - (slots[number]?.cpu ?? 0)
        slots[number]?.cpu = load.cpuMicroseconds
        row(number) { row in
            let elapsed = row.heartbeatAt.map { now.seconds - $0.seconds } ?? 0
            if elapsed > 0 { row.cpu = Double(spent) / 1e6 / elapsed }
            row.heartbeatAt = now
            row.connections = load.connections
            row.queued = load.queued
            row.destinations = load.destinations
            row.memory = Int(load.residentBytes)
            if row.state == .silent { row.state = .running }
        }
    }

    /// The stream of a worker is at its end; all that it had written has been read.
    private func ended(_ number: Int, pid: pid_t, error: (any Error)?) {
        guard slots[number]?.pid == pid, slots[number]?.isEnding == false else { return }
        slots[number]?.isEnding = true
        slots[number]?.link?.isReady = false
        slots[number]?.link = nil
        dispatcher.links[number] = nil
        if let error {
            logger.error(
                "a worker's stream is broken; the process is ended",
                metadata: ["worker": "\(number)", "error": "\(error)"])
            kill(pid, SIGKILL)
        }
        updateRing()
        dispatcher.lost(worker: number)
        awaitExit(number, pid: pid, polls: 0)
    }

    /// Polls for the exit; a process that closed its stream and does not end is killed.
    private func awaitExit(_ number: Int, pid: pid_t, polls: Int) {
        if let how = WorkerProcess.reap(pid) { return died(number, how: how) }
        if polls == 100 { kill(pid, SIGKILL) }
        dispatcher.after(.milliseconds(20)) { [weak self] _ in
            self?.awaitExit(number, pid: pid, polls: polls + 1)
        }
    }

    private func died(_ number: Int, how: String) {
        guard var slot = slots[number] else { return }
        let pid = slot.pid
        slot.pid = nil
        slot.link = nil
        if slot.isLeaving || stopped != nil {
            logger.info("worker ended", metadata: ["worker": "\(number)", "how": "\(how)"])
            slots[number] = nil
            dispatcher.workerRows[number] = nil
            if let stopped {
                if slots.isEmpty { stopped.succeed() }
            } else if number <= count {
                // Wanted again since it was dismissed.
                setCount(count)
            }
            return
        }
        let now = dispatcher.clocks.monotonic()
        slot.quickDeaths = now - slot.startedInstant < Self.shortLife ? slot.quickDeaths + 1 : 0
        slot.restarts += 1
        slots[number] = slot
        let delay = delay(after: slot.quickDeaths)
        logger.error(
            "a worker died; its destinations go to the others",
            metadata: [
                "worker": "\(number)", "pid": "\(pid ?? 0)", "how": "\(how)",
                "restart": "\(delay.brief)",
            ])
        dispatcher.publish("worker", "worker \(number) died: \(how)", worker: number)
        row(number) {
            $0.state = .dead
            $0.pid = nil
            $0.restarts = slot.restarts
            $0.restartAt = dispatcher.clocks.wall() + delay
            $0.connections = 0
            $0.queued = 0
            $0.destinations = 0
            $0.cpu = 0
            $0.memory = 0
            $0.heartbeatAt = nil
        }
        dispatcher.after(delay) { [weak self] _ in self?.launch(number) }
    }

    /// Once a second: silence, and places that are to vanish.
    private func tick() {
        let now = dispatcher.clocks.monotonic()
        let patience = dispatcher.configuration.supervision.heartbeatTimeout
        for (number, slot) in slots {
            guard let heard = slot.heardAt, let pid = slot.pid, slot.link != nil else { continue }
            let silence = now - heard
            if silence > patience {
                logger.error(
                    "a worker is silent; it is ended",
                    metadata: [
                        "worker": "\(number)", "pid": "\(pid)", "silence": "\(silence.brief)",
                    ])
                kill(pid, SIGKILL)
            } else if silence > patience / 3 {
                row(number) { $0.state = .silent }
            }
            if slot.isLeaving, !slot.isDismissed, let link = slot.link,
                !dispatcher.table.values.contains(where: { $0.ownership.worker == number })
            {
                slots[number]?.isDismissed = true
                link.send(.shutdown(grace: .seconds(10)))
            }
        }
        guard stopped == nil else { return }
        dispatcher.after(.seconds(1)) { [weak self] _ in self?.tick() }
    }

    /// Ends all workers; the future succeeds when the last one is gone.
    func stop(grace: Duration) -> EventLoopFuture<Void> {
        let promise = dispatcher.loop.makePromise(of: Void.self)
        stopped = promise
        for (number, slot) in slots where slot.pid == nil { slots[number] = nil }
        if slots.isEmpty { promise.succeed() }
        for slot in slots.values { slot.link?.send(.shutdown(grace: grace)) }
        dispatcher.after(grace + .seconds(5)) { [weak self] _ in
            for pid in self?.slots.values.compactMap(\.pid) ?? [] { kill(pid, SIGKILL) }
        }
        return promise.futureResult
    }

    /// After a worker came or went, or the weights changed.
    func updateRing() {
        let alive = slots.filter { $0.value.link?.isReady == true && !$0.value.isLeaving }.keys
        guard stopped == nil else { return }
        dispatcher.ring = dispatcher.ring(of: alive)
        dispatcher.rebalance()
        dispatcher.askAgain()
    }

    private func row(_ number: Int, _ change: (inout WorkerRow) -> Void) {
        if dispatcher.workerRows[number] != nil { change(&dispatcher.workerRows[number]!) }
    }
}
