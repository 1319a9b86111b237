import NIOCore
import NIOHTTP1

/// Reads an endless answer line by line or as it comes, and only as fast as it is asked for: what
/// is not read stays in the socket, and the daemon sees that its reader is slow.
///
/// Lives on after its channel, so that lines that came before the end are still read. Everything
/// is called on the channel's event loop.
final class StreamHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    static let maximumLine = 1 << 20

    private enum End {
        case finished
        case failed(any Error)
    }

    private let splitsLines: Bool
    private var waiter: EventLoopPromise<ByteBuffer?>?
    private var received = ByteBuffer()
    /// How much of `received` was already searched for a line end.
    private var searched = 0
    private var timer: Scheduled<Void>?
    /// Set by an answer that is not 2xx: its body is the error.
    private var refusal: Answer?
    private var end: End?

    /// Nil once the channel is gone.
    private var context: ChannelHandlerContext?

    init(splitsLines: Bool) {
        self.splitsLines = splitsLines
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        finish(.failed(ExchangeFailure.lost(started: true)))
    }

    /// - Parameter timeout: until the head of the answer.
    func request(_ head: HTTPRequestHead, timeout: TimeAmount) {
        guard let context else { return }
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        timer = context.eventLoop.scheduleTask(in: timeout) {
            loopBound.value.finish(.failed(ExchangeFailure.timeout))
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// The next line, without its end, or the next piece; nil after the last one. One is asked
    /// for at a time.
    func next(_ part: EventLoopPromise<ByteBuffer?>) {
        waiter = part
        deliver()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            timer?.cancel()
            if !(200..<300).contains(head.status.code) {
                refusal = Answer(
                    status: Int(head.status.code), body: ByteBuffer(), isKeptAlive: false)
            }
        case .body(var part):
            if refusal != nil {
                refusal?.body.writeBuffer(&part)
            } else {
                received.writeBuffer(&part)
            }
            if max(received.readableBytes, refusal?.body.readableBytes ?? 0) > 2 * Self.maximumLine
            {
                finish(.failed(ExchangeFailure.tooLarge))
            }
        case .end:
            if let refusal {
                finish(.failed(RefusedAnswer(answer: refusal)))
            } else {
                finish(.finished)
            }
        }
        deliver()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if waiter != nil, end == nil { context.read() }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failed(ExchangeFailure.lost(started: true)))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case HTTPParserError.invalidEOFState = error { return }
        let failure =
            error is HTTPParserError
            ? ExchangeFailure.malformed("\(error)") : ExchangeFailure.lost(started: true)
        finish(.failed(failure))
    }

    private func finish(_ end: End) {
        guard self.end == nil else { return }
        self.end = end
        timer?.cancel()
        deliver()
        context?.close(promise: nil)
    }

    /// Hands what there is to whoever waits: first what came, then the end.
    private func deliver() {
        guard let waiter else { return }
        if let part = splitsLines ? nextLine() : nextPiece() {
            self.waiter = nil
            waiter.succeed(part)
            return
        }
        switch end {
        case .finished:
            self.waiter = nil
            waiter.succeed(nil)
        case .failed(let error):
            self.waiter = nil
            waiter.fail(error)
        case nil:
            if received.readableBytes > Self.maximumLine {
                finish(.failed(ExchangeFailure.tooLarge))
            } else {
                context?.read()
            }
        }
    }

    private func nextPiece() -> ByteBuffer? {
        guard received.readableBytes > 0 else { return nil }
        defer { received = ByteBuffer() }
        return received
    }

    /// Empty lines, which keep a connection busy, are left out.
    private func nextLine() -> ByteBuffer? {
        while true {
            let view = received.readableBytesView.dropFirst(searched)
            guard let newline = view.firstIndex(of: UInt8(ascii: "\n")) else {
                searched = received.readableBytes
                received.discardReadBytes()
                return nil
            }
            guard var line = received.readSlice(length: newline - received.readerIndex) else {
                return nil
            }
            received.moveReaderIndex(forwardBy: 1)
            searched = 0
            if line.readableBytesView.last == UInt8(ascii: "\r") {
                line.moveWriterIndex(to: line.writerIndex - 1)
            }
            if line.readableBytes > 0 { return line }
        }
    }
}

/// A stream that the daemon would not begin.
struct RefusedAnswer: Error {
    var answer: Answer
}
