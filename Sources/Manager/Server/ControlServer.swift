import Control
import Filter
import FoundationEssentials
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import Mail
import NIOCore
import NIOPosix
import ServiceLifecycle
import Settings
import Spool

/// HTTP over the Unix socket: what `sluice` and `curl --unix-socket` talk to.
struct ControlServer: Service {
    let api: ClusterAPI
    let events: EventBus
    let path: String
    let group: UInt32?
    let loops: any EventLoopGroup
    let logger: Logger
    let reload: @Sendable () async throws -> String

    let log: LineLog

    private var dispatcher: DispatcherHandle { api.dispatcher }
    private var reader: SpoolReader { api.reader }

    func run() async throws {
        try ControlSocket.prepare(path)
        let application = Application(
            router: router(),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: path), serverName: nil),
            onServerRunning: { [path, group, logger] _ in
                do {
                    try ControlSocket.secure(path, group: group)
                    logger.notice("control socket ready", metadata: ["path": "\(path)"])
                } catch {
                    logger.critical("\(error)")
                }
            },
            eventLoopGroupProvider: .shared(loops), logger: quiet)
        defer { unlink(path) }
        try await application.run()
    }

    /// Hummingbird's own lines are of no use to an operator below warnings.
    private var quiet: Logger {
        var logger = logger
        logger.logLevel = .warning
        return logger
    }

    private func router() -> Router<ControlContext> {
        let router = Router(context: ControlContext.self)
        router.add(middleware: ErrorMiddleware())
        router.get("/metrics") { _, context in
            try await reader(context)
            return try await metrics()
        }
        let v1 = router.group("/v1")
        addReads(to: v1)
        addWrites(to: v1)
        return router
    }

    // MARK: Reads

    private func addReads(to v1: RouterGroup<ControlContext>) {
        v1.get("/status") { request, context in
            let (_, mayNot) = try await reader(context)
            var status =
                try Self.isOfNode(request)
                ? try await dispatcher.run { $0.status() } : try await api.status()
            status.mayOperate = mayNot == nil
            status.mayNotOperateBecause = mayNot
            return try Answer.json(status)
        }
        v1.get("/destinations") { request, context in
            try await reader(context)
            return try Answer.json(try await destinations(PageQuery(request)))
        }
        v1.get("/destinations/:id") { _, context in
            try await reader(context)
            let id = try context.parameters.require("id")
            return try Answer.json(try await api.destination(id))
        }
        v1.get("/destinations/:id/detail") { _, context in
            try await reader(context)
            let id = try context.parameters.require("id")
            return try Answer.json(try await api.detail(of: id))
        }
        v1.get("/ages") { request, context in
            try await reader(context)
            let limit = try PageQuery(request).limit
            return try Answer.json(try await api.ages(limit: limit))
        }
        v1.get("/schedule") { request, context in
            try await reader(context)
            let limit = try PageQuery(request).limit
            return try Answer.json(try await api.schedule(limit: limit))
        }
        v1.get("/messages/:id/body") { request, context in
            let peer = try await operatorOf(context)
            let id = try context.parameters.require("id")
            let limit = try PageQuery(request).limit
            logger.notice(
                "message content shown",
                metadata: ["by": "\(peer.description)", "message": "\(id)"])
            return try Answer.json(try await api.body(of: id, lines: limit))
        }
        v1.get("/messages") { request, context in
            try await reader(context)
            let query = try PageQuery(request)
            let around = try query.around("the id of a delivery, such as 1a2b.0") {
                DeliveryID(text: $0)
            }
            return try Answer.json(
                try await api.messages(
                    ListQuery(
                        filter: query.filter, sort: query.sort, isDescending: query.descending,
                        offset: query.offset, limit: query.limit, around: around)))
        }
        v1.get("/messages/:id") { _, context in
            try await reader(context)
            return try Answer.json(try await api.message(try context.parameters.require("id")))
        }
        v1.get("/workers") { _, context in
            try await reader(context)
            return try Answer.json(try await api.workers())
        }
        v1.get("/nodes") { _, context in
            try await reader(context)
            return try Answer.json(try await api.nodes())
        }
        v1.get("/rebalancing") { request, context in
            try await reader(context)
            let without = request.parameters.get("without")
            let with = try request.parameters.get("with").map { text in
                guard let workers = Int(text) else {
                    throw APIError(
                        code: "bad-request", message: "with is the number of a node's workers")
                }
                return workers
            }
            _ = try await dispatcher.run { try $0.nodeRows() }
            let tallies = try await self.reader.read { spool throws(SpoolError) in
                try spool.tallies()
            }
            let page = try await dispatcher.run { dispatcher in
                let rows = try dispatcher.moves(without: without, with: with, tallies)
                return Page(
                    at: dispatcher.clocks.wall(), total: rows.count, offset: 0, rows: rows)
            }
            return try Answer.json(page)
        }
        v1.get("/actions") { request, context in
            try await reader(context)
            let query = try PageQuery(request)
            return try Answer.json(
                try await api.actions(limit: query.limit, offset: query.offset))
        }
        v1.get("/backup") { _, context in
            let peer = try await operatorOf(context)
            return try await backup(context, by: peer)
        }
        v1.get("/events") { request, context in
            try await reader(context)
            return try await happenings(request)
        }
        v1.get("/trace") { request, context in
            try await reader(context)
            guard let id = request.parameters.get("destination") else {
                throw APIError(code: "bad-request", message: "say ?destination=ID")
            }
            let content = try Self.flag("content", of: request)
            if content {
                let peer = try await operatorOf(context)
                logger.notice(
                    "message content traced",
                    metadata: [
                        "by": "\(peer.description)", "destination": "\(SafeText(id).text)",
                    ])
            }
            let by = try await reader(context).0.description
            return try await trace(id, content: content, by: by, for: request)
        }
    }

    private func happenings(_ request: Request) async throws -> Response {
        guard let name = try await api.ownName() else {
            return Answer.lines(events.events(), for: request)
        }
        let (all, continuation) = AsyncStream.makeStream(
            of: Event.self, bufferingPolicy: .bufferingOldest(EventBus.depth))
        let feed = { @Sendable [api, events] in
            await withTaskGroup { group in
                group.addTask { await api.followEvents(continuation) }
                for await var event in events.events() {
                    event.node = name
                    continuation.yield(event)
                }
                group.cancelAll()
            }
            continuation.finish()
        }
        return Answer.lines(all, for: request, feed: feed)
    }

    private func trace(
        _ id: String, content: Bool, by peer: String, for request: Request
    ) async throws -> Response {
        let row = try await api.destination(id)
        if let node = try await api.elsewhere(row) {
            let (lines, continuation) = AsyncStream.makeStream(
                of: TraceLine.self, bufferingPolicy: .bufferingOldest(EventBus.depth))
            let feed = { @Sendable [api] in
                await api.followTrace(
                    of: row.id, content: content, by: peer, at: node, continuation)
            }
            return Answer.lines(lines, for: request, feed: feed)
        }
        return Answer.lines(events.traces(of: row.id, content: content), for: request) {
            [dispatcher] isOn in
            guard let number = Int64(row.id) else { return }
            try? await dispatcher.run { $0.trace(number, on: isOn, content: content) }
        }
    }

    /// Whether only what this node has is asked for: `?scope=node`.
    private static func isOfNode(_ request: Request) throws -> Bool {
        switch request.parameters.get("scope") {
        case nil, "cluster"?: false
        case "node"?: true
        case let value?:
            throw APIError(
                code: "bad-request",
                message: "scope is cluster or node, not '\(SafeText(value).text)'")
        }
    }

    /// `1` or `true`; `0`, `false` or nothing.
    private static func flag(_ name: String, of request: Request) throws -> Bool {
        switch request.parameters.get(name)?.lowercased() {
        case nil, "0"?, "false"?: false
        case "1"?, "true"?: true
        case let value?:
            throw APIError(
                code: "bad-request",
                message: "\(name) is 1 or 0, not '\(SafeText(value).text)'")
        }
    }

    private func destinations(_ query: PageQuery) async throws -> Page<DestinationRow> {
        try await api.destinations(
            ListQuery(
                filter: query.filter, sort: query.sort, isDescending: query.descending,
                offset: query.offset, limit: query.limit,
                around: try query.around("the number of a destination") { Int64($0) }))
    }

    /// Everything, bodies too: for operators only, and noted in the log.
    private func backup(_ context: ControlContext, by peer: ControlPeer) async throws -> Response {
        let copy = try await reader.read { spool throws(SpoolError) in try spool.copyForBackup() }
        let file = try await FileIO().loadFile(
            path: copy.path, context: context)
        logger.notice(
            "spool copied",
            metadata: ["by": "\(peer.description)", "bytes": "\(file.contentLength ?? 0)"])
        return Response(
            status: .ok, headers: [.contentType: "application/vnd.sqlite3"],
            body: ResponseBody(contentLength: file.contentLength) { writer in
                try await file.write(writer)
                withExtendedLifetime(copy) {}
            })
    }

    // MARK: Writes

    private func addWrites(to v1: RouterGroup<ControlContext>) {
        v1.post("/plans") { request, context in
            let peer = try await operatorOf(context)
            let plan = try await api.plan(
                try await body(request, as: PlanRequest.self), by: peer.description)
            return try Answer.json(plan, status: .created)
        }
        v1.post("/plans/:id/apply") { request, context in
            let peer = try await operatorOf(context)
            let apply = try await body(request, as: ApplyRequest.self, whenEmpty: ApplyRequest())
            return try Answer.json(
                try await api.apply(
                    try context.parameters.require("id"), apply, by: peer.description))
        }
        v1.post("/actions/:id/undo") { _, context in
            let peer = try await operatorOf(context)
            return try Answer.json(
                try await api.undo(
                    try context.parameters.require("id"), by: peer.description))
        }
        v1.post("/nodes/:name/drain") { _, context in
            let peer = try await operatorOf(context)
            let name = try context.parameters.require("name")
            return try Answer.json(
                try await dispatcher.run { try $0.drain(node: name, by: peer.description) })
        }
        v1.post("/reload") { _, context in
            _ = try await operatorOf(context)
            return try Answer.json(["result": try await reload()])
        }
        v1.post("/messages") { request, context in
            let peer = try await operatorOf(context)
            return try Answer.json(try await send(request, by: peer), status: .created)
        }
    }

    /// A message from `sluice send`: `?from=&rcpt=&rcpt=…`, the body raw with CRLF line ends.
    private func send(_ request: Request, by peer: ControlPeer) async throws -> [String: String] {
        let sender = request.parameters.get("from") ?? ""
        let recipients = request.parameters.getAll("rcpt")
        let limit = try await dispatcher.run { $0.configuration.intake.maxMessageSize }
        let body: ByteBuffer
        do {
            body = try await request.body.collect(upTo: limit)
        } catch {
            throw APIError(code: "too-large", message: "the message is larger than \(limit) bytes")
        }
        let id = try await dispatcher.run { dispatcher, promise in
            dispatcher.acceptLocal(
                sender: sender, recipients: recipients, body: body, by: peer.description, promise)
        }
        return ["id": id.description]
    }

    private func body<Value: Decodable>(
        _ request: Request, as type: Value.Type, whenEmpty: Value? = nil
    ) async throws -> Value {
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: 16 << 20)
        } catch {
            throw APIError(code: "too-large", message: "the request is larger than 16 MiB")
        }
        if buffer.readableBytes == 0, let whenEmpty { return whenEmpty }
        do {
            return try JSONDecoder().decode(type, from: Data(buffer.readableBytesView))
        } catch {
            throw APIError(
                code: "bad-request",
                message: "the body is not what this call takes: \(Self.words(for: error))")
        }
    }

    /// What is wrong with a document, and where in it.
    private static func words(for error: any Error) -> String {
        func at(_ path: [any CodingKey]) -> String {
            path.isEmpty ? "" : path.map(\.stringValue).joined(separator: ".") + ": "
        }
        switch error as? DecodingError {
        case .keyNotFound(let key, let context):
            return "\(at(context.codingPath))'\(key.stringValue)' is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context),
            .dataCorrupted(let context):
            return SafeText(at(context.codingPath) + context.debugDescription).text
        default:
            return SafeText("\(error)").text
        }
    }

    // MARK: Rights

    @discardableResult
    private func reader(_ context: ControlContext) async throws -> (ControlPeer, String?) {
        let peer = try await ControlPeer.of(context.channel)
        let settings = try await dispatcher.run { $0.configuration.control }
        guard peer.mayRead(settings) else {
            throw APIError(
                code: "forbidden",
                message: "\(peer.description) may not read; see [control] readers in sluice.toml")
        }
        return (peer, peer.mayNotOperate(settings))
    }

    private func operatorOf(_ context: ControlContext) async throws -> ControlPeer {
        let (peer, mayNot) = try await reader(context)
        if let mayNot { throw APIError(code: "forbidden", message: mayNot) }
        return peer
    }

    private func metrics() async throws -> Response {
        let status = try await dispatcher.run { $0.status() }
        return Response(
            status: .ok, headers: [.contentType: "text/plain; version=0.0.4"],
            body: ResponseBody(
                byteBuffer: ByteBuffer(string: Metrics.text(status, droppedLines: log.dropped))))
    }
}
