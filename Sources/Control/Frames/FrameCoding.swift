import Mail
package import NIOCore
import Scheduler

/// The case byte of each frame.
private enum Tag: UInt8 {
    case configure = 1
    case resolve = 2
    case assign = 3
    case enqueue = 4
    case deliver = 5
    case job = 6
    case withdraw = 7
    case pause = 8
    case resume = 9
    case retryNow = 10
    case surrender = 11
    case recorded = 12
    case recording = 13
    case trace = 14
    case shutdown = 15
    case inspect = 16
    case lease = 17
    case hello = 64
    case heartbeat = 65
    case resolved = 66
    case fetch = 67
    case results = 68
    case status = 69
    case withdrawn = 70
    case surrendered = 71
    case traced = 72
    case inspected = 73
}

extension Frame {
    /// Bytes after the length field. Above it nothing is a frame: the largest body that the
    /// intake can be told to accept is below it.
    package static let maximumLength = 1 << 30

    /// Appends the frame with its length.
    package func write(to buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeInteger(UInt32(0))
        writeFields(to: &buffer)
        buffer.setInteger(UInt32(buffer.writerIndex - start - 4), at: start)
    }

    private func writeFields(to buffer: inout ByteBuffer) {
        switch self {
        case .configure(let worker, let configuration):
            Tag.configure.rawValue.write(to: &buffer)
            worker.write(to: &buffer)
            configuration.write(to: &buffer)
        case .resolve(let request, let domain):
            Tag.resolve.rawValue.write(to: &buffer)
            request.write(to: &buffer)
            domain.write(to: &buffer)
        case .assign(let v0):
            Tag.assign.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
        case .enqueue(let v0):
            Tag.enqueue.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
        case .deliver(let v0, let v1):
            Tag.deliver.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
            v1.write(to: &buffer)
        case .job(let v0, let destination, let v2):
            Tag.job.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
            destination.write(to: &buffer)
            v2.write(to: &buffer)
        case .withdraw(let request, let v1):
            Tag.withdraw.rawValue.write(to: &buffer)
            request.write(to: &buffer)
            v1.write(to: &buffer)
        case .pause(let destination, let until, let by, let reason):
            Tag.pause.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
            until.write(to: &buffer)
            by.write(to: &buffer)
            reason.write(to: &buffer)
        case .resume(let destination):
            Tag.resume.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
        case .retryNow(let destination, let v1):
            Tag.retryNow.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
            v1.write(to: &buffer)
        case .surrender(let destination):
            Tag.surrender.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
        case .recorded(let v0):
            Tag.recorded.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
        case .recording(let v0):
            Tag.recording.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
        case .lease(let until, let ahead):
            Tag.lease.rawValue.write(to: &buffer)
            until.nanoseconds.write(to: &buffer)
            Int64(ahead / .milliseconds(1)).write(to: &buffer)
        case .trace(let destination, let on, let content):
            Tag.trace.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
            on.write(to: &buffer)
            content.write(to: &buffer)
        case .shutdown(let grace):
            Tag.shutdown.rawValue.write(to: &buffer)
            grace.write(to: &buffer)
        case .hello(let pid):
            Tag.hello.rawValue.write(to: &buffer)
            pid.write(to: &buffer)
        case .heartbeat(let v0):
            Tag.heartbeat.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
        case .resolved(let request, let v1):
            Tag.resolved.rawValue.write(to: &buffer)
            request.write(to: &buffer)
            v1.write(to: &buffer)
        case .fetch(let destination, let v1):
            Tag.fetch.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
            v1.write(to: &buffer)
        case .results(let v0):
            Tag.results.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
        case .status(let v0):
            Tag.status.rawValue.write(to: &buffer)
            v0.write(to: &buffer)
        case .withdrawn(let request, let running):
            Tag.withdrawn.rawValue.write(to: &buffer)
            request.write(to: &buffer)
            running.write(to: &buffer)
        case .surrendered(let destination, let snapshot):
            Tag.surrendered.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
            snapshot.write(to: &buffer)
        case .inspect(let request, let destination):
            Tag.inspect.rawValue.write(to: &buffer)
            request.write(to: &buffer)
            destination.write(to: &buffer)
        case .inspected(let request, let inspection):
            Tag.inspected.rawValue.write(to: &buffer)
            request.write(to: &buffer)
            inspection.write(to: &buffer)
        case .traced(let destination, let connection, let direction, let dropped, let line):
            Tag.traced.rawValue.write(to: &buffer)
            destination.write(to: &buffer)
            connection.write(to: &buffer)
            direction.write(to: &buffer)
            dropped.write(to: &buffer)
            line.write(to: &buffer)
        }
    }

    /// Reads what `write` wrote after the length; all of `buffer` must belong to the frame.
    package init(decoding buffer: inout ByteBuffer) throws(FrameError) {
        let raw = try UInt8.read(from: &buffer)
        guard let tag = Tag(rawValue: raw) else { throw FrameError("unknown frame \(raw)") }
        switch tag {
        case .configure:
            self = .configure(
                worker: try Int.read(from: &buffer),
                configuration: try ByteBuffer.read(from: &buffer))
        case .resolve:
            self = .resolve(
                request: try UInt64.read(from: &buffer), domain: try String.read(from: &buffer))
        case .assign:
            self = .assign(try Assignment.read(from: &buffer))
        case .enqueue:
            self = .enqueue(try [QueuedDelivery].read(from: &buffer))
        case .deliver:
            self = .deliver(try QueuedDelivery.read(from: &buffer), try Job.read(from: &buffer))
        case .job:
            self = .job(
                try DeliveryID.read(from: &buffer), destination: try Int64.read(from: &buffer),
                try Optional<Job>.read(from: &buffer))
        case .withdraw:
            self = .withdraw(
                request: try UInt64.read(from: &buffer), try [DeliveryID].read(from: &buffer))
        case .pause:
            self = .pause(
                destination: try Int64.read(from: &buffer),
                until: try Optional<UnixTime>.read(from: &buffer),
                by: try String.read(from: &buffer), reason: try String.read(from: &buffer))
        case .resume:
            self = .resume(destination: try Int64.read(from: &buffer))
        case .retryNow:
            self = .retryNow(
                destination: try Int64.read(from: &buffer), try [DeliveryID].read(from: &buffer))
        case .surrender:
            self = .surrender(destination: try Int64.read(from: &buffer))
        case .recorded:
            self = .recorded(try UInt64.read(from: &buffer))
        case .recording:
            self = .recording(try Bool.read(from: &buffer))
        case .lease:
            self = .lease(
                until: Instant(nanoseconds: try Int64.read(from: &buffer)),
                ahead: .milliseconds(try Int64.read(from: &buffer)))
        case .trace:
            self = .trace(
                destination: try Int64.read(from: &buffer), on: try Bool.read(from: &buffer),
                content: try Bool.read(from: &buffer))
        case .shutdown:
            self = .shutdown(grace: try Duration.read(from: &buffer))
        case .hello:
            self = .hello(pid: try Int32.read(from: &buffer))
        case .heartbeat:
            self = .heartbeat(try Load.read(from: &buffer))
        case .resolved:
            self = .resolved(
                request: try UInt64.read(from: &buffer), try RouteResult.read(from: &buffer))
        case .fetch:
            self = .fetch(
                destination: try Int64.read(from: &buffer), try [DeliveryID].read(from: &buffer))
        case .results:
            self = .results(try [AttemptReport].read(from: &buffer))
        case .status:
            self = .status(try [DestinationReport].read(from: &buffer))
        case .withdrawn:
            self = .withdrawn(
                request: try UInt64.read(from: &buffer),
                running: try [DeliveryID].read(from: &buffer))
        case .surrendered:
            self = .surrendered(
                destination: try Int64.read(from: &buffer),
                snapshot: try [UInt8].read(from: &buffer))
        case .inspect:
            self = .inspect(
                request: try UInt64.read(from: &buffer), destination: try Int64.read(from: &buffer))
        case .inspected:
            self = .inspected(
                request: try UInt64.read(from: &buffer),
                try DestinationInspection.read(from: &buffer))
        case .traced:
            self = .traced(
                destination: try Int64.read(from: &buffer), connection: try Int.read(from: &buffer),
                direction: try UInt8.read(from: &buffer), dropped: try Int.read(from: &buffer),
                line: try String.read(from: &buffer))
        }
        guard buffer.readableBytes == 0 else {
            throw FrameError("\(buffer.readableBytes) bytes too many in a frame of type \(raw)")
        }
    }
}

/// Cuts the stream into frames. Garbage ends the connection with a `FrameError`.
package struct FrameDecoder: ByteToMessageDecoder {
    package typealias InboundOut = Frame

    package init() {}

    package mutating func decode(
        context: ChannelHandlerContext, buffer: inout ByteBuffer
    ) throws -> DecodingState {
        guard let frame = try Self.next(in: &buffer) else { return .needMoreData }
        context.fireChannelRead(Self.wrapInboundOut(frame))
        return .continue
    }

    package mutating func decodeLast(
        context: ChannelHandlerContext, buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> DecodingState {
        try decode(context: context, buffer: &buffer)
    }

    /// The next whole frame, taken off the front; nil where more bytes are needed.
    package static func next(in buffer: inout ByteBuffer) throws(FrameError) -> Frame? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self) else {
            return nil
        }
        guard length > 0, length <= UInt32(Frame.maximumLength) else {
            throw FrameError("a frame of \(length) bytes")
        }
        guard buffer.readableBytes >= 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        var slice = buffer.readSlice(length: Int(length)) ?? ByteBuffer()
        return try Frame(decoding: &slice)
    }
}
