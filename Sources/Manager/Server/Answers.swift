import Control
import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// JSON answers; an error is an `APIError` with the status that fits its code.
enum Answer {
    static func json(
        _ value: some Encodable, status: HTTPResponse.Status = .ok
    ) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var buffer = ByteBuffer(bytes: try encoder.encode(value))
        buffer.writeInteger(UInt8(ascii: "\n"))
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: buffer))
    }

    static func error(_ error: any Error) throws -> Response {
        switch error {
        case let error as APIError:
            return try json(error, status: status(of: error.code))
        case let error as HTTPError:
            if error.status == .notFound {
                return try json(
                    APIError(code: "not-found", message: "there is no such path or method"),
                    status: .notFound)
            }
            let text = error.body ?? error.status.reasonPhrase
            return try json(APIError(code: "http", message: text), status: error.status)
        default:
            return try json(
                APIError(code: "internal", message: "\(error)"), status: .internalServerError)
        }
    }

    private static func status(of code: String) -> HTTPResponse.Status {
        switch code {
        case "not-found", "no-such-plan": .notFound
        case "forbidden": .forbidden
        case "plan-expired", "plan-changed", "not-undoable", "too-late", "count-required",
            "worker-drained", "drained-already", "not-drained", "last-worker", "no-cluster",
            "last-node", "other-node":
            .conflict
        case "spool", "stopping", "no-database", "not-reached": .serviceUnavailable
        case "too-large": .contentTooLarge
        default: .badRequest
        }
    }

    /// A line of JSON for each value, until the peer hangs up. `watch` is told when that begins
    /// and ends; `feed` runs meanwhile.
    static func lines<Value: Encodable & Sendable>(
        _ stream: AsyncStream<Value>, for request: Request,
        watch: @escaping @Sendable (Bool) async -> Void = { _ in },
        feed: @escaping @Sendable () async -> Void = {}
    ) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/x-ndjson"],
            body: ResponseBody { writer in
                await watch(true)
                do {
                    try await request.body.consumeWithCancellationOnInboundClose { _ in
                        try await withThrowingTaskGroup { group in
                            group.addTask { await feed() }
                            try await write(stream, to: &writer)
                            group.cancelAll()
                        }
                    }
                } catch {
                    await watch(false)
                    throw error
                }
                await watch(false)
                try await writer.finish(nil)
            })
    }
}

extension Answer {
    private static func write<Value: Encodable & Sendable>(
        _ stream: AsyncStream<Value>, to writer: inout any ResponseBodyWriter
    ) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        for await value in stream {
            var buffer = ByteBuffer(bytes: try encoder.encode(value))
            buffer.writeInteger(UInt8(ascii: "\n"))
            try await writer.write(buffer)
        }
    }
}

/// Turns every error into an answer, so that a peer always learns what was wrong.
struct ErrorMiddleware: RouterMiddleware {
    func handle(
        _ request: Request, context: ControlContext,
        next: (Request, ControlContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch {
            return try Answer.error(error)
        }
    }
}
