import Cluster
import Control
import FoundationEssentials
import ServiceLifecycle
import SharedSpool

/// Answers other nodes.
struct PeerService: Service {
    let api: NodeAPI
    let peers: Peers

    func run() async throws {
        await withDiscardingTaskGroup { group in
            for await letter in peers.requests.cancelOnGracefulShutdown() {
                group.addTask { peers.answer(letter, await answer(letter.body)) }
            }
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
                NodeAPI.DestinationsQuery(
                    filter: rows.filter, sort: rows.sort, isDescending: rows.isDescending,
                    offset: 0, limit: rows.count))
        case .destination(let name): return try await api.destination(name)
        case .detail(let name): return try await api.detail(of: name)
        case .messages(let ids): return try await api.messages(ids)
        case .matching(let filter): return try await api.matching(filter: filter)
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
