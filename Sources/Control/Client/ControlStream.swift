import NIOCore
import NIOHTTP1

/// Lines of JSON that the daemon sends as things happen, until it ends or the reader stops.
///
/// Each iteration has a connection of its own, opened by the first `next()` and closed with the
/// iterator. Lines are taken from the daemon only as they are read. Throws like `ControlClient`;
/// a daemon that goes away while it sends is `ControlError.Code.noDaemon`.
package struct ControlStream<Element: Decodable & Sendable>: AsyncSequence, Sendable {
    let client: ControlClient
    let target: String

    package func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(client: client, target: target)
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        let client: ControlClient
        let target: String
        private var connection: StreamConnection?
        private var isFinished = false

        init(client: ControlClient, target: String) {
            self.client = client
            self.target = target
        }

        package mutating func next() async throws -> Element? {
            if isFinished { return nil }
            do {
                if connection == nil {
                    connection = try await client.openStream(target)
                }
                if let line = try await connection?.next() {
                    return try client.decoded(line, target)
                }
                finish()
                return nil
            } catch {
                finish()
                try Task.checkCancellation()
                throw await client.streamError(error, target)
            }
        }

        private mutating func finish() {
            isFinished = true
            connection = nil
        }
    }
}

/// Closes its channel when nobody can read from it any more.
final class StreamConnection: Sendable {
    private let channel: any Channel
    private let handler: NIOLoopBound<StreamHandler>

    init(channel: any Channel, handler: NIOLoopBound<StreamHandler>) {
        self.channel = channel
        self.handler = handler
    }

    deinit {
        channel.close(promise: nil)
    }

    func next() async throws -> ByteBuffer? {
        let line = channel.eventLoop.makePromise(of: ByteBuffer?.self)
        return try await withTaskCancellationHandler {
            channel.eventLoop.execute { self.handler.value.next(line) }
            return try await line.futureResult.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}
