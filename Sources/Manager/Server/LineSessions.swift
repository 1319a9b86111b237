import Control
import Scheduler
import Synchronization

/// Events and traces that other nodes follow: each asks again and again for what has happened since.
///
/// A session ends when nobody has asked for a while: nothing is made where nobody listens.
final class LineSessions: Sendable {
    private struct Session {
        var lines: [String] = []
        var askedAt: Instant
    }

    /// Without a question for so long nobody listens any more.
    private static let life = Duration.seconds(10)
    /// An answer waits for so long for the first line.
    private static let patience = Duration.milliseconds(800)
    private static let look = Duration.milliseconds(50)
    /// What is not fetched in time is lost, the latest first.
    private static let depth = 2000

    private let sessions = Mutex<[String: Session]>([:])
    private let clocks: Clocks

    init(clocks: Clocks) { self.clocks = clocks }

    /// - Returns: whether it is new, so that `run` has to be called for it.
    func ask(_ id: String) -> Bool {
        let now = clocks.monotonic()
        return sessions.withLock { sessions in
            defer { sessions[id, default: Session(askedAt: now)].askedAt = now }
            return sessions[id] == nil
        }
    }

    /// Keeps what comes until nobody asks for it any more.
    func run<Line: Encodable & Sendable>(_ id: String, _ stream: AsyncStream<Line>) async {
        await withTaskGroup { group in
            group.addTask { [self] in
                for await line in stream {
                    guard let text = try? PeerAnswer.json(line) else { continue }
                    sessions.withLock { sessions in
                        guard sessions[id]?.lines.count ?? Self.depth < Self.depth else { return }
                        sessions[id]?.lines.append(text)
                    }
                }
            }
            group.addTask { [self] in
                while isWanted(id), (try? await Task.sleep(for: .seconds(1))) != nil {}
            }
            await group.next()
            group.cancelAll()
        }
        _ = sessions.withLock { $0.removeValue(forKey: id) }
    }

    private func isWanted(_ id: String) -> Bool {
        let now = clocks.monotonic()
        return sessions.withLock { $0[id].map { now - $0.askedAt < Self.life } ?? false }
    }

    /// What has come since the last question; waits a while for the first line.
    func lines(of id: String) async throws -> [String] {
        let end = clocks.monotonic() + Self.patience
        while true {
            let lines = sessions.withLock { sessions in
                defer { sessions[id]?.lines = [] }
                return sessions[id]?.lines ?? []
            }
            if !lines.isEmpty || clocks.monotonic() >= end { return lines }
            try await Task.sleep(for: Self.look)
        }
    }
}
