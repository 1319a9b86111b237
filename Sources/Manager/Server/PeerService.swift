import Cluster
import Control
import FoundationEssentials
import Logging
import Mail
import ServiceLifecycle
import SharedSpool

/// Answers other nodes.
struct PeerService: Service {
    let api: NodeAPI
    let peers: Peers
    let events: EventBus
    let sessions: LineSessions
    let logger: Logger

    func run() async throws {
        await withDiscardingTaskGroup { group in
            for await letter in peers.requests.cancelOnGracefulShutdown() {
                follow(letter.body, in: &group)
                group.addTask { peers.answer(letter, await answer(letter.body)) }
            }
            group.cancelAll()
        }
    }

    /// Begins a session where one is asked for that is not there.
    private func follow(_ body: String, in group: inout DiscardingTaskGroup) {
        switch try? JSONDecoder().decode(PeerRequest.self, from: Data(body.utf8)) {
        case .events(let session) where sessions.ask(session):
            group.addTask { await sessions.run(session, events.events()) }
        case .trace(let session, let destination, let content, let by) where sessions.ask(session):
            if content {
                logger.notice(
                    "message content traced",
                    metadata: ["by": "\(by)", "destination": "\(SafeText(destination).text)"])
            }
            group.addTask {
                let number = Int64(destination) ?? 0
                try? await api.dispatcher.run { $0.trace(number, on: true, content: content) }
                await sessions.run(session, events.traces(of: destination, content: content))
                try? await api.dispatcher.run { $0.trace(number, on: false, content: content) }
            }
        default: break
        }
    }

    private func answer(_ body: String) async -> String {
        await PeerAnswer.text {
            let request: PeerRequest
            do {
                request = try JSONDecoder().decode(PeerRequest.self, from: Data(body.utf8))
            } catch {
                throw APIError(
                    code: "bad-request",
                    message: "it does not understand the question: it has another version")
            }
            return try await answer(request)
        }
    }

    private func answer(_ request: PeerRequest) async throws -> any Encodable {
        switch request {
        case .destinations(let rows):
            return try await api.destinations(
                ListQuery(
                    filter: rows.filter, sort: rows.sort, isDescending: rows.isDescending,
                    offset: 0, limit: rows.count))
        case .destination(let name): return try await api.destination(name)
        case .detail(let name): return try await api.detail(of: name)
        case .messages(let ids): return try await api.messages(ids)
        case .matching(let filter): return try await api.matching(filter: filter)
        case .events(let session), .trace(let session, _, _, _):
            return try await sessions.lines(of: session)
        case .ages(let limit):
            let isElsewhere = try await isElsewhere()
            return try await api.ages(limit: limit, elsewhere: isElsewhere)
        case .schedule(let limit):
            let isElsewhere = try await isElsewhere()
            return try await api.schedule(limit: limit, elsewhere: isElsewhere)
        case .plan(let request, let by): return try await api.planner.plan(request, by: by)
        case .apply(let plan, let request, let by, let group):
            return try await api.runner.apply(plan, request, by: by, group: group)
        case .undo(let action, let by): return try await api.runner.undo(action, by: by)
        case .undoPart(let action): return try await api.runner.undoPart(of: action)
        }
    }

    /// Whether a destination is not this node's; mail without one is counted by who asks.
    private func isElsewhere() async throws -> @Sendable (Int64?) -> Bool {
        let open = try await api.dispatcher.run { dispatcher in
            dispatcher.districts?.open ?? []
        }
        return { destination in
            destination.map { !open.contains(District.of(destination: $0)) } ?? true
        }
    }
}
