import NIOCore
import NIOPosix
import Synchronization
import Testbed

/// Hands mail to every node, to each destination in turn, and keeps the books of what was taken.
/// What was refused or is uncertain is not sent again, so that only the nodes can make duplicates.
final class Load: Sendable {
    struct Books: Sendable {
        /// Messages answered 250, and where they go.
        var accepted: [String: Int] = [:]
        /// Answered 4xx.
        var refused: [String: Int] = [:]
        var refusedBy: [Int]
        /// Answered 5xx: there is no reason for one.
        var rejected: [String] = []
        /// The connection ended before the answer.
        var uncertain = 0
    }

    private let books: Mutex<Books>
    private let count = Atomic<Int>(0)
    private let network: Network
    private let client: Network.Host
    private let nodes: [Network.Host]
    private let destinations: Int
    private let pause: Duration
    static let port = 2525

    /// - Parameter rate: messages per second, to each node.
    init(_ network: Network, nodes: [Network.Host], destinations: Int, rate: Double) {
        self.network = network
        client = network["clients"]
        self.nodes = nodes
        self.destinations = destinations
        pause = .seconds(1 / rate)
        books = Mutex(Books(refusedBy: [Int](repeating: 0, count: nodes.count)))
    }

    var read: Books { books.withLock { $0 } }

    static func domain(_ destination: Int) -> String { "d\(destination).test" }

    /// Until it is cancelled.
    func run() async {
        await withTaskGroup { tasks in
            for node in nodes.indices { tasks.addTask { await self.send(to: node) } }
        }
    }

    private func send(to node: Int) async {
        while !Task.isCancelled {
            do {
                let socket = try network.connection(from: client, to: nodes[node], port: Self.port)
                try await Conversation.with(
                    socket: socket, group: MultiThreadedEventLoopGroup.singleton
                ) { conversation in
                    try await conversation.greet(as: "app.sender.test")
                    while !Task.isCancelled {
                        try await self.send(over: &conversation, to: node)
                        try await Task.sleep(for: self.pause)
                    }
                }
            } catch {
                // The node is down, or goes down; cancelled here, the loop's condition ends it.
                try? await Task.sleep(for: .milliseconds(200))
            }
        }
    }

    private func send(over conversation: inout Conversation, to node: Int) async throws {
        let number = count.add(1, ordering: .relaxed).newValue
        let id = "m\(number)"
        let destination = number % destinations
        let address = "u@\(Self.domain(destination))"
        let mail = TestMail(id, to: address)
        do {
            let outcome = try await conversation.send(
                from: "\(id)@sender.test", to: [address], mail.content)
            books.withLock { books in
                switch outcome {
                case .taken: books.accepted[id] = destination
                case .refused(let reply) where reply.code < 500:
                    books.refused[id] = reply.code
                    books.refusedBy[node] += 1
                case .refused(let reply): books.rejected.append("\(id): \(reply)")
                }
            }
        } catch {
            if conversation.awaitsVerdict { books.withLock { $0.uncertain += 1 } }
            throw error
        }
    }
}
