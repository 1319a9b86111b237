import Cluster
import Control
import FoundationEssentials
import Mail
import Scheduler

/// What happens, at all nodes.
extension ClusterAPI {
    /// Gives what happens at other nodes to a stream, until it is cancelled.
    func followEvents(_ continuation: AsyncStream<Event>.Continuation) async {
        let session = Self.newSession()
        await follow(.events(session: session), only: nil) { name, line in
            guard var event = try? JSONDecoder().decode(Event.self, from: Data(line.utf8)) else {
                return
            }
            event.node = name
            continuation.yield(event)
        }
    }

    /// The dialogues of a destination that another node has.
    func followTrace(
        of destination: String, content: Bool, by peer: String, at node: String,
        _ continuation: AsyncStream<TraceLine>.Continuation
    ) async {
        let request = PeerRequest.trace(
            session: Self.newSession(), destination: destination, content: content, by: peer)
        await follow(request, only: node) { _, line in
            guard let line = try? JSONDecoder().decode(TraceLine.self, from: Data(line.utf8)) else {
                return
            }
            continuation.yield(line)
        }
    }

    private static func newSession() -> String {
        String(UInt64.random(in: .min ... .max), radix: 16)
    }

    /// How long it rests where nobody can be asked.
    private static let pause = Duration.seconds(1)

    private func follow(
        _ request: PeerRequest, only name: String?, _ take: (String, String) -> Void
    ) async {
        guard let peers else { return }
        while !Task.isCancelled {
            do {
                var scene = try await scene(peers)
                if let name { scene.others.removeAll { $0.name != name } }
                guard scene.others.contains(where: { $0.problem == nil }) else {
                    try await Task.sleep(for: Self.pause)
                    continue
                }
                let answers: [(other: Other, value: [String])] = try await ask(
                    peers, &scene, request)
                for (other, lines) in answers {
                    for line in lines { take(other.name, line) }
                }
                if answers.isEmpty { try await Task.sleep(for: Self.pause) }
            } catch {
                if (try? await Task.sleep(for: Self.pause)) == nil { return }
            }
        }
    }

    /// The name of the node that has a destination, where that is another one.
    func elsewhere(_ row: DestinationRow) async throws -> String? {
        guard peers != nil else { return nil }
        let own = try await dispatcher.run { SafeText($0.districts?.node.name ?? "").text }
        return row.node == own ? nil : row.node
    }

    /// What this node's own events are marked with.
    func ownName() async throws -> String? {
        try await dispatcher.run { $0.districts.map { SafeText($0.node.name).text } }
    }
}
