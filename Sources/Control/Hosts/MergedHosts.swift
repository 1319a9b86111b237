package import Mail
import Synchronization

/// Several daemons that are no cluster, asked all at once and shown as one.
///
/// Ids have the host before them (`mx1/17`), and what is asked about one goes to that host alone.
/// A host that does not answer in time is not waited for again until it does: what it said last
/// stands for it, with its age, and an action says that nothing was done there.
package final class MergedHosts: DaemonAPI {
    package let hosts: [String]
    let links: [HostLink]
    let plans = Mutex(OpenPlans())
    private let patience: @Sendable (String) async -> Void
    private let nursery: Nursery
    private let clock: @Sendable () -> Duration
    let wall: @Sendable () -> UnixTime

    /// What is asked is answered in this time, or the host counts as lost. Where ssh takes longer
    /// to let one in, the host is shown once it has.
    private static let standardPatience = Duration.seconds(5)

    private init(
        _ links: [HostLink], _ nursery: Nursery,
        patience: @escaping @Sendable (String) async -> Void,
        clock: @escaping @Sendable () -> Duration, wall: @escaping @Sendable () -> UnixTime
    ) {
        self.links = links
        hosts = links.map(\.name)
        self.nursery = nursery
        self.patience = patience
        self.clock = clock
        self.wall = wall
    }

    /// - Parameters:
    ///   - hosts: their names, all different, without commas.
    ///   - patience: returns once the host of that name has been waited for long enough.
    ///   - clock: monotonic.
    package static func with<R>(
        _ hosts: [(name: String, api: any DaemonAPI)],
        patience: @escaping @Sendable (String) async -> Void = { _ in
            try? await Task.sleep(for: standardPatience)
        },
        clock: @escaping @Sendable () -> Duration, wall: @escaping @Sendable () -> UnixTime,
        _ body: (MergedHosts) async throws -> R
    ) async throws -> R {
        let links = hosts.map { HostLink(name: $0.name, api: $0.api) }
        return try await Nursery.with { nursery in
            try await body(
                MergedHosts(links, nursery, patience: patience, clock: clock, wall: wall))
        }
    }

    /// Those that cannot be reached now, and why.
    package var unreached: [(host: String, problem: String)] {
        links.compactMap { link in link.problem.map { (link.name, $0) } }
    }

    // MARK: One host

    /// Why there is no answer.
    enum Failure: Error {
        /// It cannot be reached, and why.
        case lost(String)
        case refused(APIError)
        case cancelled
    }

    var now: Duration { clock() }

    /// - Parameter waits: for how long the client does, however long.
    func ask<Value: Sendable>(
        _ link: HostLink, waits: Bool = false,
        _ request: @escaping @Sendable (any DaemonAPI) async throws -> Value
    ) async -> Result<Value, Failure> {
        if let problem = link.problem {
            tryAgain(link)
            return .failure(.lost(problem))
        }
        let answer = Once<Result<Value, Failure>>()
        let (patience, name) = (patience, link.name)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                answer.wait(continuation)
                let isStarted = nursery.start {
                    answer.resume(await Self.asked(link, request))
                }
                if !isStarted { answer.resume(.failure(.cancelled)) }
                guard !waits else { return }
                nursery.start {
                    await patience(name)
                    let problem = "no answer in time"
                    if answer.resume(.failure(.lost(problem))) { link.lost(problem) }
                }
            }
        } onCancel: {
            answer.resume(.failure(.cancelled))
        }
    }

    /// The answer tells whether the host is there, however late it comes.
    private static func asked<Value: Sendable>(
        _ link: HostLink, _ request: @Sendable (any DaemonAPI) async throws -> Value
    ) async -> Result<Value, Failure> {
        do {
            let value = try await request(link.api)
            link.reached()
            return .success(value)
        } catch let error as APIError {
            link.reached()
            return .failure(.refused(error))
        } catch is CancellationError {
            return .failure(.cancelled)
        } catch {
            let problem = words(error, of: link.name)
            link.lost(problem)
            return .failure(.lost(problem))
        }
    }

    private func tryAgain(_ link: HostLink) {
        guard link.startsTrial(at: now) else { return }
        let isStarted = nursery.start {
            _ = await Self.asked(link) { try await $0.status() }
            link.trialEnded()
        }
        if !isStarted { link.trialEnded() }
    }

    /// What is about one host and goes to it alone.
    func alone<Value: Sendable>(
        _ id: QualifiedID, waits: Bool = false,
        _ request: @escaping @Sendable (any DaemonAPI, String) async throws -> Value
    ) async throws -> (value: Value, host: String) {
        let link = try await link(of: id)
        let own = id.id
        switch await ask(link, waits: waits, { try await request($0, own) }) {
        case .success(let value): return (value, link.name)
        case .failure(.cancelled): throw CancellationError()
        case .failure(.refused(let error)): throw error
        case .failure(.lost(let problem)): throw Self.lost(link.name, problem)
        }
    }

    func link(of id: QualifiedID) async throws -> HostLink {
        guard let host = id.host else {
            throw APIError(
                code: "host-needed",
                message: "'\(id.id)' may be on several hosts: say which, as in "
                    + "\(QualifiedID(host: hosts[0], id: id.id))")
        }
        guard let link = links.first(where: { $0.name == host }) else {
            throw APIError(
                code: "not-found",
                message: "'\(id)' is on '\(host)', which is not asked; these are: "
                    + hosts.joined(separator: ", "))
        }
        return link
    }

    static func lost(_ host: String, _ problem: String) -> ControlError {
        ControlError(code: .noDaemon, message: "\(host) cannot be reached (\(problem))")
    }

    // MARK: All hosts

    /// The answer of one of several.
    struct Part<Value: Sendable>: Sendable {
        let link: HostLink
        /// What it said now or, where it cannot be reached, last; nil: nothing ever.
        var value: Value?
        /// How long ago it said so; nil: now.
        var staleSeconds: Double?
        /// Why there is no answer of now.
        var problem: String?
    }

    /// - Parameters:
    ///   - key: under which the last answer is kept, to stand for the host while it is away.
    ///   - among: nil: all.
    /// - Throws: what they say where none of them answers.
    func askAll<Value: Sendable>(
        keptAs key: String, among: [HostLink]? = nil,
        _ request: @escaping @Sendable (any DaemonAPI, HostLink) async throws -> Value
    ) async throws -> [Part<Value>] {
        let answers = try await answers(among: among ?? links, request)
        return answers.map { link, answer in
            switch answer {
            case .success(let value):
                link.keep(value, as: key, at: now)
                return Part(link: link, value: value)
            case .failure(let failure):
                let kept = link.kept(Value.self, as: key)
                return Part(
                    link: link, value: kept?.value,
                    staleSeconds: kept.map { (now - $0.at).inSeconds }, problem: failure.words)
            }
        }
    }

    /// - Throws: what they say where none of them answers.
    func answers<Value: Sendable>(
        among links: [HostLink], waits: Bool = false,
        _ request: @escaping @Sendable (any DaemonAPI, HostLink) async throws -> Value
    ) async throws -> [(HostLink, Result<Value, Failure>)] {
        let answers = await withTaskGroup(of: (Int, Result<Value, Failure>).self) { group in
            for (place, link) in links.enumerated() {
                group.addTask {
                    (place, await self.ask(link, waits: waits) { try await request($0, link) })
                }
            }
            var answers: [Int: Result<Value, Failure>] = [:]
            for await (place, answer) in group { answers[place] = answer }
            return links.indices.compactMap { place in
                answers[place].map { (links[place], $0) }
            }
        }
        try Task.checkCancellation()
        if let error = Self.common(answers) { throw error }
        return answers
    }

    /// What is thrown where nobody answers; nil where somebody does, or nobody was asked.
    private static func common<Value>(
        _ answers: [(HostLink, Result<Value, Failure>)]
    ) -> (any Error)? {
        let failures = answers.compactMap { link, answer -> (name: String, Failure)? in
            if case .failure(let failure) = answer { return (link.name, failure) }
            return nil
        }
        guard !failures.isEmpty, failures.count == answers.count else { return nil }
        let refusals = failures.compactMap { name, failure -> (name: String, error: APIError)? in
            if case .refused(let error) = failure { return (name, error) }
            return nil
        }
        guard var error = refusals.first?.error else {
            let text = failures.map { "\($0.name) cannot be reached (\($0.1.words))" }
                .joined(separator: "; ")
            return ControlError(code: .noDaemon, message: text)
        }
        error.message =
            PartTexts.joined(failures.map { ($0.name, $0.1.words) }) ?? error.message
        return error
    }
}

extension MergedHosts.Failure {
    var words: String {
        switch self {
        case .lost(let problem): problem
        case .refused(let error): error.message
        case .cancelled: "interrupted"
        }
    }
}

extension Duration {
    var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) / 1e18
    }
}

/// One answer, for one who waits: the first that comes.
private final class Once<Value: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case early(Value)
        case done
    }

    private let state = Mutex(State.empty)

    func wait(_ continuation: CheckedContinuation<Value, Never>) {
        let early: Value? = state.withLock { state in
            if case .early(let value) = state {
                state = .done
                return value
            }
            state = .waiting(continuation)
            return nil
        }
        if let early { continuation.resume(returning: early) }
    }

    /// False where an answer has been given already.
    @discardableResult
    func resume(_ value: Value) -> Bool {
        let (continuation, isFirst) = state.withLock {
            state -> (CheckedContinuation<Value, Never>?, Bool) in
            switch state {
            case .empty:
                state = .early(value)
                return (nil, true)
            case .waiting(let continuation):
                state = .done
                return (continuation, true)
            case .early, .done: return (nil, false)
            }
        }
        continuation?.resume(returning: value)
        return isFirst
    }
}
