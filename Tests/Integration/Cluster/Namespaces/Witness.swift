import Dispatch
import Foundation
import Glibc
import Synchronization
import Testbed

/// Receivers, one for each destination, in a namespace of their own, which see what every node does.
/// One thread does it all, so that there is one order of what happens; and before it judges
/// what one node does it hears what the others had said by then, and asks the kernel whether their
/// connections are still open.
final class Witness: Sendable {
    /// Where each destination listens.
    let ports: [Int]
    private let listeners: [CInt]
    private let nodes: [String: Int]
    private let book: Mutex<Book>
    /// How long the final dot waits for its answer.
    private let thought = Duration.milliseconds(200)
    private let isEnding = Atomic<Bool>(false)
    private let turns = Atomic<Int>(0)
    private let hasEnded = DispatchSemaphore(value: 0)

    /// - Parameters:
    ///   - nodes: who is who, by address.
    ///   - limit: connections that a destination may have.
    init(
        in host: Network.Host, of network: Network, destinations: Int, limit: Int,
        nodes: [Network.Host]
    ) throws {
        let made = try (0..<destinations).map { _ in try network.listener(in: host) }
        listeners = made.map(\.socket)
        for listener in listeners { _ = fcntl(listener, F_SETFL, O_NONBLOCK) }
        ports = made.map(\.port)
        self.nodes = Dictionary(
            uniqueKeysWithValues: nodes.enumerated().map { ($0.element.address, $0.offset) })
        book = Mutex(Book(destinations: destinations, limit: limit))
        let thread = Thread { [self] in
            var desk = Desk(witness: self)
            while !isEnding.load(ordering: .relaxed) {
                desk.turn()
                turns.add(1, ordering: .relaxed)
            }
            desk.end()
            hasEnded.signal()
        }
        thread.start()
    }

    func end() {
        isEnding.store(true, ordering: .relaxed)
        hasEnded.wait()
    }

    /// Returns when what has come up to now has been heard.
    func caughtUp() async throws {
        let goal = turns.load(ordering: .relaxed) + 2
        try await waitUntil("the receivers have heard all") {
            turns.load(ordering: .relaxed) >= goal
        }
    }

    func read<Value: Sendable>(_ body: (inout Book) -> Value) -> Value {
        book.withLock { body(&$0) }
    }

    /// Some messages are put off when they come first: their attempts and times travel with them.
    static func isPutOff(_ id: String) -> Bool {
        id.utf8.reduce(UInt32(7)) { ($0 &* 31) &+ UInt32($1) } % 23 == 0
    }

    // MARK: The thread

    private struct Line {
        var input: [UInt8] = []
        var transaction: String?
        var hasRecipient = false
        var isInMessage = false
        /// The answer to a final dot, and when it is due; nothing more is read before.
        var answer: (text: String, at: ContinuousClock.Instant)?
        var hasEnded = false
    }

    /// What the thread has before it.
    private struct Desk {
        let witness: Witness
        var lines: [CInt: Line] = [:]
        /// Messages that were put off once.
        var known: Set<String> = []
        var isHearingOthers = false

        mutating func turn() {
            let now = ContinuousClock.now
            var descriptors = witness.listeners.map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            var wait = Duration.milliseconds(100)
            for (socket, line) in lines {
                if let answer = line.answer {
                    wait = min(wait, answer.at - now)
                } else {
                    descriptors.append(pollfd(fd: socket, events: Int16(POLLIN), revents: 0))
                }
            }
            let limit = max(0, Int32((wait / .milliseconds(1)).rounded(.up)))
            poll(&descriptors, nfds_t(descriptors.count), limit)
            witness.book.withLock { book in
                for (socket, line) in lines where (line.answer?.at ?? .now + .seconds(1)) <= .now {
                    answer(socket, &book)
                }
                for descriptor in descriptors where descriptor.revents != 0 {
                    if let destination = witness.listeners.firstIndex(of: descriptor.fd) {
                        accept(descriptor.fd, destination, &book)
                    } else if lines[descriptor.fd] != nil {
                        hear(descriptor.fd, &book)
                    }
                }
            }
        }

        mutating func end() {
            for socket in lines.keys { close(socket) }
            for listener in witness.listeners { close(listener) }
        }

        private mutating func accept(_ listener: CInt, _ destination: Int, _ book: inout Book) {
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let socket = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.accept(listener, $0, &length)
                }
            }
            guard socket >= 0 else { return }
            var text = [CChar](repeating: 0, count: 32)
            inet_ntop(AF_INET, &address.sin_addr, &text, socklen_t(text.count))
            let name = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            _ = fcntl(socket, F_SETFL, O_NONBLOCK)
            guard let node = witness.nodes[name] else {
                close(socket)
                return
            }
            lines[socket] = Line()
            // What was closed before this one was opened is closed.
            hearOthers(book.connections(to: destination), &book)
            book.opened(Int(socket), from: node, to: destination)
            say("220 witness ESMTP", to: socket)
        }

        /// What they say may not have them hear others in turn.
        private mutating func hearOthers(_ others: [Int], _ book: inout Book) {
            guard !isHearingOthers else { return }
            isHearingOthers = true
            for other in others { hear(CInt(other), &book) }
            isHearingOthers = false
        }

        /// Takes all that has come over a connection, and its end.
        private mutating func hear(_ socket: CInt, _ book: inout Book) {
            var bytes = [UInt8](repeating: 0, count: 16_384)
            while lines[socket]?.hasEnded == false {
                let count = recv(socket, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                if count > 0 {
                    book.heard(Int(socket))
                    lines[socket]?.input += bytes.prefix(count)
                } else if count == 0 || (errno != EAGAIN && errno != EINTR) {
                    lines[socket]?.hasEnded = true
                } else if errno == EAGAIN {
                    break
                }
            }
            take(socket, &book)
        }

        /// Line by line, until one has to wait.
        private mutating func take(_ socket: CInt, _ book: inout Book) {
            while let line = lines[socket], line.answer == nil {
                guard let end = line.input.firstIndex(of: UInt8(ascii: "\n")) else { break }
                var text = String(decoding: line.input[..<end], as: UTF8.self)
                if text.last == "\r" { text.removeLast() }
                lines[socket]?.input.removeSubrange(...end)
                if line.isInMessage {
                    if text == "." { dot(socket, &book) }
                } else {
                    command(text, socket, &book)
                }
            }
            // It waits for no answer any more.
            if lines[socket]?.hasEnded == true { hangUp(socket, &book) }
        }

        private mutating func command(_ text: String, _ socket: CInt, _ book: inout Book) {
            switch text.prefix(4).uppercased() {
            case "EHLO": say("250-witness\r\n250 PIPELINING", to: socket)
            case "HELO", "NOOP": say("250 OK", to: socket)
            case "MAIL":
                let id = String(text.drop { $0 != "<" }.dropFirst().prefix { $0 != "@" })
                // Another's transaction may have ended before this one began.
                hearOthers(book.rivals(of: Int(socket)), &book)
                lines[socket]?.transaction = id
                book.mail(Int(socket), id: id, at: wallClock())
                say("250 OK", to: socket)
            case "RCPT":
                let id = lines[socket]?.transaction ?? ""
                if Witness.isPutOff(id), known.insert(id).inserted {
                    say("450 4.2.0 come again", to: socket)
                } else {
                    say("250 OK", to: socket)
                    lines[socket]?.hasRecipient = true
                }
            case "DATA":
                guard lines[socket]?.hasRecipient == true else {
                    return say("554 no recipients", to: socket)
                }
                lines[socket]?.isInMessage = true
                say("354 go on", to: socket)
            case "RSET":
                reset(socket, &book)
                say("250 OK", to: socket)
            case "QUIT":
                say("221 bye", to: socket)
                hangUp(socket, &book)
            default: say("502 what?", to: socket)
            }
        }

        private mutating func dot(_ socket: CInt, _ book: inout Book) {
            book.dot(Int(socket), at: wallClock())
            lines[socket]?.isInMessage = false
            lines[socket]?.answer = ("250 taken", .now + witness.thought)
        }

        private mutating func answer(_ socket: CInt, _ book: inout Book) {
            guard let answer = lines[socket]?.answer else { return }
            say(answer.text, to: socket)
            lines[socket]?.answer = nil
            reset(socket, &book)
            hear(socket, &book)
        }

        private mutating func reset(_ socket: CInt, _ book: inout Book) {
            lines[socket]?.transaction = nil
            lines[socket]?.hasRecipient = false
            book.transactionEnded(Int(socket))
        }

        private mutating func hangUp(_ socket: CInt, _ book: inout Book) {
            guard lines.removeValue(forKey: socket) != nil else { return }
            book.closed(Int(socket))
            close(socket)
        }

        private func say(_ text: String, to socket: CInt) {
            let bytes = Array((text + "\r\n").utf8)
            _ = send(
                socket, bytes, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
        }
    }
}
