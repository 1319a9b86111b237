import Glibc
package import NIOCore
package import Settings
import Synchronization

/// Finds exchangers in the DNS, on a thread of its own, so that no event loop ever waits.
///
/// Answers are cached by libunbound. A request that is made when `maximumRequests` are running
/// or after `close` is answered at once with a temporary failure.
package final class RouteResolver: Sendable {
    /// Requests taken and not yet answered.
    package static let maximumRequests = 20_000

    struct Job: Sendable {
        let request: RouteRequest
        let loop: any EventLoop
        let completion: @Sendable (RouteAnswer) -> Void

        func finish(_ answer: RouteAnswer) {
            let completion = completion
            loop.execute { completion(answer) }
        }
    }

    /// What event loops hand to the resolver's thread.
    final class Inbox: Sendable {
        struct State {
            var jobs: [Job] = []
            /// Taken and not yet answered.
            var running = 0
            var isClosed = false
        }

        let state = Mutex(State())
        /// A pair of sockets: a byte in it makes the thread look at the state.
        let wakeRead: Int32
        let wakeWrite: Int32

        init() throws(ResolverError) {
            var ends: [Int32] = [-1, -1]
            let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
            guard socketpair(AF_UNIX, Int32(type), 0, &ends) == 0 else {
                throw ResolverError(
                    description: "DNS: no sockets: \(String(cString: strerror(errno)))")
            }
            (wakeRead, wakeWrite) = (ends[0], ends[1])
        }

        deinit {
            Glibc.close(wakeRead)
            Glibc.close(wakeWrite)
        }

        func wake() {
            var byte: UInt8 = 0
            // A full socket wakes the thread as well.
            _ = write(wakeWrite, &byte, 1)
        }
    }

    private let inbox: Inbox
    /// nil once joined.
    private let thread: Mutex<pthread_t?>

    /// `servers` empty: those of /etc/resolv.conf. `timeout`: for one question, all tries at
    /// all servers together; a lookup asks twice at most, one after the other.
    package init(servers: [SocketEndpoint], timeout: Duration) throws(ResolverError) {
        inbox = try Inbox()
        let start = ResolverThread.Start(
            context: try UnboundContext(servers: servers), inbox: inbox, timeout: timeout)
        var id = pthread_t()
        let box = Unmanaged.passRetained(start)
        let code = pthread_create(
            &id, nil,
            { argument in
                guard let argument else { return nil }
                ResolverThread.run(
                    Unmanaged<ResolverThread.Start>.fromOpaque(argument).takeRetainedValue())
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            throw ResolverError(
                description: "DNS: no thread: \(String(cString: strerror(code)))")
        }
        thread = Mutex(id)
    }

    deinit {
        close()
    }

    /// The completion is called once, on `loop`.
    package func resolve(
        _ request: RouteRequest, on loop: any EventLoop,
        completion: @escaping @Sendable (RouteAnswer) -> Void
    ) {
        let job = Job(request: request, loop: loop, completion: completion)
        let (refusal, isFirst): (String?, Bool) = inbox.state.withLock { state in
            if state.isClosed { return ("shutting down", false) }
            if state.running >= Self.maximumRequests { return ("too many lookups", false) }
            state.running += 1
            state.jobs.append(job)
            return (nil, state.jobs.count == 1)
        }
        if let refusal { job.finish(.temporary(refusal)) }
        // The thread takes all jobs at once: only the first has to wake it.
        if isFirst { inbox.wake() }
    }

    /// Answers what is unanswered with a temporary failure and waits for the thread to end,
    /// which takes milliseconds. Call again as you like.
    package func close() {
        inbox.state.withLock { $0.isClosed = true }
        inbox.wake()
        thread.withLock { thread in
            guard let id = thread else { return }
            if pthread_equal(id, pthread_self()) != 0 {
                // The last reference was a completion's, let go on the thread itself.
                pthread_detach(id)
            } else {
                pthread_join(id, nil)
            }
            thread = nil
        }
    }
}
