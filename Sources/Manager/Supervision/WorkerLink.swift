import Control
import Faults
import NIOCore

/// The manager's end of the socket pair to one worker process. Confined to the event loop.
final class WorkerLink {
    let worker: Int
    let pid: Int32
    private let channel: any Channel
    private var acknowledgement = Acknowledgement()
    private var flushScheduled = false
    /// True from its `hello` until it is told to end: destinations are placed on it.
    var isReady = false
    var lastHeard: Int64 = 0

    init(worker: Int, pid: Int32, channel: any Channel) {
        self.worker = worker
        self.pid = pid
        self.channel = channel
    }

    /// False while it has much to read.
    var isWritable: Bool { channel.isWritable }

    /// Frames of one turn of the event loop leave in one system call.
    func send(_ frame: Frame) {
        channel.write(frame, promise: nil)
        guard !flushScheduled else { return }
        flushScheduled = true
        channel.eventLoop.assumeIsolated().execute { [self] in
            flushScheduled = false
            channel.flush()
            FaultPoint.framesSent.reached()
        }
    }

    /// A result is on disk. The worker is told how far the unbroken run of recorded results goes.
    func recorded(_ number: UInt64) {
        if let run = acknowledgement.record(number) { send(.recorded(run)) }
    }

    func close() {
        channel.close(promise: nil)
    }
}

/// Turns the numbers of recorded results, which may end out of order, into "all up to here".
struct Acknowledgement {
    private var run: UInt64 = 0
    private var beyond: Set<UInt64> = []

    /// The new end of the run, if this number moved it.
    mutating func record(_ number: UInt64) -> UInt64? {
        guard number == run + 1 else {
            if number > run { beyond.insert(number) }
            return nil
        }
        run = number
        while beyond.remove(run + 1) != nil { run += 1 }
        return run
    }
}

/// Gives a worker's frames to the supervisor, and the end of the stream after all of them.
final class WorkerLinkHandler: ChannelInboundHandler {
    typealias InboundIn = Frame

    private let received: (Frame) -> Void
    private let ended: ((any Error)?) -> Void
    private var error: (any Error)?

    init(received: @escaping (Frame) -> Void, ended: @escaping ((any Error)?) -> Void) {
        self.received = received
        self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received(unwrapInboundIn(data))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.error = error
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended(error)
    }
}
