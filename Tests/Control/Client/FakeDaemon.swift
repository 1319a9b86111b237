import Foundation
import NIOCore
import NIOPosix
import Synchronization

/// A server on a Unix socket that answers whatever the test says, valid or not.
struct FakeDaemon: Sendable {
    struct Request: Sendable {
        /// "GET /v1/status"
        var line: String
        var body: String
        /// Which connection it came over, from 1.
        var connection: Int
    }

    enum Reply: Sendable {
        case json(String, status: Int = 200)
        /// Bytes as they are; then the connection is closed, or left open.
        case raw(String, close: Bool)
        /// Pieces of a body in chunks, one write each; then its end, or nothing more.
        case chunks([String], end: Bool)
    }

    let socket: String
    /// Every request, as it arrives.
    let requests: AsyncStream<Request>

    /// Runs `body` beside a server that answers each request with `reply`.
    static func serving<R>(
        _ reply: @escaping @Sendable (Request) -> Reply,
        _ body: (FakeDaemon) async throws -> R
    ) async throws -> R {
        try await withTemporaryDirectory { directory in
            let socket = directory + "/control.sock"
            let (requests, feed) = AsyncStream.makeStream(of: Request.self)
            let counter = Counter()
            let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { channel in
                    let handler = ScriptHandler(
                        connection: counter.next(), reply: reply, feed: feed)
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                }
                .bind(unixDomainSocketPath: socket).get()
            do {
                let result = try await body(FakeDaemon(socket: socket, requests: requests))
                try await server.close()
                return result
            } catch {
                try? await server.close()
                throw error
            }
        }
    }
}

/// A directory with a path short enough for a socket in it.
func withTemporaryDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    var template = Array("/tmp/sluice-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

private final class Counter: Sendable {
    private let value = Atomic(0)
    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}

private final class ScriptHandler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: Int
    private let reply: @Sendable (FakeDaemon.Request) -> FakeDaemon.Reply
    private let feed: AsyncStream<FakeDaemon.Request>.Continuation
    private let received = Mutex(ByteBuffer())

    init(
        connection: Int, reply: @escaping @Sendable (FakeDaemon.Request) -> FakeDaemon.Reply,
        feed: AsyncStream<FakeDaemon.Request>.Continuation
    ) {
        self.connection = connection
        self.reply = reply
        self.feed = feed
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let request = received.withLock { buffer in
            var part = unwrapInboundIn(data)
            buffer.writeBuffer(&part)
            return take(&buffer)
        }
        guard let request else { return }
        feed.yield(request)
        switch reply(request) {
        case .json(let body, let status):
            send(
                "HTTP/1.1 \(status) X\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)", context
            )
        case .raw(let bytes, let close):
            send(bytes, context)
            if close { context.close(promise: nil) }
        case .chunks(let pieces, let end):
            send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", context)
            for piece in pieces {
                send("\(String(piece.utf8.count, radix: 16))\r\n\(piece)\r\n", context)
            }
            if end { send("0\r\n\r\n", context) } else { context.close(promise: nil) }
        }
    }

    private func send(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    /// A whole request off the front, if it is there.
    private func take(_ buffer: inout ByteBuffer) -> FakeDaemon.Request? {
        let text = String(buffer: buffer)
        guard let end = text.range(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        let length =
            lines.first { $0.hasPrefix("content-length: ") }
            .flatMap { Int($0.dropFirst(16)) } ?? 0
        let body = text[end.upperBound...]
        guard body.utf8.count >= length else { return nil }
        buffer.clear()
        return FakeDaemon.Request(
            line: lines[0].replacingOccurrences(of: " HTTP/1.1", with: ""),
            body: String(body), connection: connection)
    }
}
