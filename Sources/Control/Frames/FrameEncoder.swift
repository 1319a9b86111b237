package import NIOCore

/// Writes frames; a body goes into the channel's buffer once.
package final class FrameEncoder: ChannelOutboundHandler {
    package typealias OutboundIn = Frame
    package typealias OutboundOut = ByteBuffer

    package init() {}

    package func write(
        context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?
    ) {
        let frame = unwrapOutboundIn(data)
        var buffer = context.channel.allocator.buffer(capacity: frame.sizeHint)
        frame.write(to: &buffer)
        context.write(wrapOutboundOut(buffer), promise: promise)
    }
}

extension Frame {
    /// A guess at the encoded size that spares the buffer from growing; bodies count in full.
    var sizeHint: Int {
        switch self {
        case .deliver(_, let job): 512 + job.body.readableBytes
        case .job(_, _, let job): 512 + (job?.body.readableBytes ?? 0)
        case .enqueue(let entries): 64 + entries.count * 64
        case .results(let reports): 64 + reports.count * 256
        case .status(let reports): 64 + reports.count * 512
        case .configure(_, let configuration): 64 + configuration.readableBytes
        default: 256
        }
    }
}
