import NIOCore
import NIOHTTP1

/// One whole answer.
struct Answer: Sendable {
    var status: Int
    var body: ByteBuffer
    /// Whether the connection may carry another request.
    var isKeptAlive: Bool
}

/// One request, and the promise of its answer.
struct Exchange: Sendable {
    var head: HTTPRequestHead
    var body: ByteBuffer?
    var timeout: TimeAmount
    var answer: EventLoopPromise<Answer>
}

enum ExchangeFailure: Error {
    /// The connection ended; `started`: after the first byte of an answer.
    case lost(started: Bool)
    case timeout
    case tooLarge
    /// Not HTTP, or an answer to nothing.
    case malformed(String)
}

/// Carries one exchange at a time over a connection: written as an `Exchange`, answered through
/// its promise, exactly once. A connection that fails in any way is closed.
final class AnswerHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Exchange
    typealias OutboundOut = HTTPClientRequestPart

    /// No answer is longer: pages are cut by the daemon.
    static let maximumBody = 64 << 20

    private enum State {
        case idle
        case waiting(EventLoopPromise<Answer>, Scheduled<Void>)
        case reading(EventLoopPromise<Answer>, Scheduled<Void>, Answer)
        case closed
    }

    private var state = State.idle

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        guard case .idle = state else {
            exchange.answer.fail(ExchangeFailure.lost(started: false))
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let loopBound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let channel = NIOLoopBound(context, eventLoop: context.eventLoop)
        let timer = context.eventLoop.scheduleTask(in: exchange.timeout) {
            loopBound.value.fail(ExchangeFailure.timeout, channel.value)
        }
        state = .waiting(exchange.answer, timer)
        context.write(wrapOutboundOut(.head(exchange.head)), promise: nil)
        if let body = exchange.body {
            context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .waiting(let promise, let timer)):
            let answer = Answer(
                status: Int(head.status.code), body: ByteBuffer(), isKeptAlive: head.isKeepAlive)
            state = .reading(promise, timer, answer)
        case (.body(var part), .reading(let promise, let timer, var answer)):
            if answer.body.readableBytes + part.readableBytes > Self.maximumBody {
                fail(ExchangeFailure.tooLarge, context)
                return
            }
            // The old state would keep the buffer shared, and each append would copy it.
            state = .idle
            answer.body.writeBuffer(&part)
            state = .reading(promise, timer, answer)
        case (.end, .reading(let promise, let timer, let answer)):
            timer.cancel()
            state = answer.isKeptAlive ? .idle : .closed
            if !answer.isKeptAlive { context.close(promise: nil) }
            promise.succeed(answer)
        case (_, .closed): break
        default: fail(ExchangeFailure.malformed("an answer that nobody asked for"), context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .reading = state {
            fail(ExchangeFailure.lost(started: true), context)
        } else {
            fail(ExchangeFailure.lost(started: false), context)
        }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is HTTPParserError {
            // An answer that ends too soon is told as such: `channelInactive` follows.
            if case HTTPParserError.invalidEOFState = error { return }
            fail(ExchangeFailure.malformed("\(error)"), context)
        } else {
            fail(ExchangeFailure.lost(started: false), context)
        }
    }

    private func fail(_ failure: ExchangeFailure, _ context: ChannelHandlerContext) {
        switch state {
        case .waiting(let promise, let timer), .reading(let promise, let timer, _):
            state = .closed
            timer.cancel()
            promise.fail(failure)
        case .idle, .closed: state = .closed
        }
        context.close(promise: nil)
    }
}
