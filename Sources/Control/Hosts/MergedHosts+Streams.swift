import Mail
import Synchronization

/// What happens, on all hosts at once.
extension MergedHosts {
    /// Between two attempts to hear of a host that is away.
    private static let pause = Duration.seconds(2)

    /// Goes on as long as one of the hosts is heard; one that went away is heard again when it is
    /// back.
    package func events(_ receive: @escaping @Sendable (Event) throws -> Void) async throws {
        let heard = Heard(Set(hosts))
        let turn = Mutex(())
        let wall = wall
        let inTurn: @Sendable (Event) throws -> Void = { event in
            try turn.withLock { _ in try receive(event) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for link in links {
                group.addTask { try await Self.follow(link, heard, wall, inTurn) }
            }
            try await group.waitForAll()
        }
    }

    /// Who is heard, or may still be.
    private final class Heard: Sendable {
        private let hosts: Mutex<Set<String>>
        init(_ hosts: Set<String>) { self.hosts = Mutex(hosts) }

        func begins(_ host: String) { _ = hosts.withLock { $0.insert(host) } }
        /// True where nobody is left.
        func ends(_ host: String) -> Bool {
            hosts.withLock { hosts in
                hosts.remove(host)
                return hosts.isEmpty
            }
        }
    }

    private static func follow(
        _ link: HostLink, _ heard: Heard, _ wall: @escaping @Sendable () -> UnixTime,
        _ receive: @escaping @Sendable (Event) throws -> Void
    ) async throws {
        var isKnownLost = false
        while true {
            var problem: any Error = ControlError(
                code: .noDaemon, message: "\(link.name): the daemon has closed the stream")
            do {
                let wasLost = isKnownLost
                let isFirst = Mutex(true)
                try await link.api.events { event in
                    if isFirst.withLock({ first in
                        defer { first = false }
                        return first
                    }) {
                        heard.begins(link.name)
                        if wasLost {
                            try receive(note(link, event.at, "is heard again"))
                        }
                    }
                    try receive(event.on(link.name))
                }
            } catch let error as ControlError {
                problem = error
            } catch let error as APIError {
                problem = error
            }
            try Task.checkCancellation()
            if heard.ends(link.name) { throw problem }
            if !isKnownLost {
                let words = MergedHosts.words(problem, of: link.name)
                try receive(note(link, wall(), "cannot be reached: \(words)"))
            }
            isKnownLost = true
            try await Task.sleep(for: pause)
        }
    }

    private static func note(_ link: HostLink, _ at: UnixTime, _ text: String) -> Event {
        var event = Event(at: at, kind: "host", text: "\(link.name) \(text)")
        event.host = link.name
        return event
    }

    package func trace(
        destination: String, content: Bool,
        _ receive: @escaping @Sendable (TraceLine) throws -> Void
    ) async throws {
        let id = QualifiedID(destination)
        let link = try await link(of: id)
        try await link.api.trace(destination: id.id, content: content) { line in
            try receive(line.on(link.name))
        }
    }
}
