import Glibc
import Synchronization
package import Terminal

/// The monitor on a terminal.
package enum Monitor {
    package struct Configuration: Sendable {
        /// nil: the one for the terminal's ground, which is asked for it.
        package var theme: Theme?
        package var themes: ThemeFinder
        /// Remembers the theme that the operator chose.
        package var keepTheme: @Sendable (String) -> Void
        /// What was chosen in earlier runs, and where it is kept; nil: nowhere.
        package var kept: KeptChoices
        package var keptFile: KeptFile?
        /// nil: the table of destinations.
        package var start: StartPage?
        package var interval: Duration
        package var readOnly: Bool
        package var keymap: Keymap
        /// The value of TERM.
        package var terminal: String
        /// NO_COLOR is set and not empty.
        package var noColor: Bool
        /// Instead of what the terminal can.
        package var depth: ColorDepth?
        /// Instead of what the locale says.
        package var unicode: Bool?
        package var mouse: Bool
        package var filter: String?
        /// The variable of the environment, for terminals that do not say what their ground is.
        package var colorfgbg: String?
        package var input: Int32
        package var output: Int32
        /// The file that what comes is written into.
        package var recording: RecordingFile?
        /// What is shown instead of a daemon.
        package var replay: Recording?

        package init(
            theme: Theme?, themes: ThemeFinder = ThemeFinder(folders: []),
            keepTheme: @escaping @Sendable (String) -> Void = { _ in },
            kept: KeptChoices = KeptChoices(), keptFile: KeptFile? = nil,
            start: StartPage? = nil,
            interval: Duration = .seconds(1), readOnly: Bool = false,
            keymap: Keymap = .standard, terminal: String, noColor: Bool = false,
            depth: ColorDepth? = nil,
            unicode: Bool? = nil, mouse: Bool = true, filter: String? = nil,
            colorfgbg: String? = nil, input: Int32 = STDIN_FILENO, output: Int32 = STDOUT_FILENO,
            recording: RecordingFile? = nil, replay: Recording? = nil
        ) {
            self.recording = recording
            self.replay = replay
            self.theme = theme
            self.themes = themes
            self.keepTheme = keepTheme
            self.kept = kept
            self.keptFile = keptFile
            self.start = start
            self.interval = interval
            self.readOnly = readOnly
            self.keymap = keymap
            self.terminal = terminal
            self.noColor = noColor
            self.depth = depth
            self.unicode = unicode
            self.mouse = mouse
            self.filter = filter
            self.colorfgbg = colorfgbg
            self.input = input
            self.output = output
        }
    }

    /// What ended it. The terminal is restored by then.
    package enum Ending: Hashable, Sendable {
        case quit
        /// The process is to end as this signal says.
        case signal(Int32)
        /// The terminal went away.
        case hangup
        /// The task that ran it was cancelled.
        case cancelled
    }

    /// Shows the monitor until the operator or a signal ends it.
    ///
    /// One thread of its own owns the terminal and waits in one poll(2) for keys, signals and
    /// data, so that nothing that the daemon does or fails to do delays a key. Requests run as
    /// child tasks of the caller and post their answers to that thread. Throws if there is no
    /// terminal that can show it; nothing has been changed then.
    package static func run(
        configuration: Configuration, source: some MonitorSource
    ) async throws(TerminalError) -> Ending {
        guard let waker = Waker() else { throw .failed }
        let mailbox = Mailbox(waker: waker)
        let (effects, requests) = AsyncStream.makeStream(of: Effect.self)
        let (streams, following) = AsyncStream.makeStream(of: StreamRequest?.self)
        let outcome = Outcome()
        let keeper = Keeper(configuration)

        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    let result = await onThread {
                        Self.loop(configuration, mailbox, requests)
                    }
                    outcome.result.withLock { $0 = result }
                    requests.finish()
                }
                group.addTask { await follow(streams, of: source, into: mailbox, keeper) }
                for await effect in effects {
                    if case .stream(let request) = effect {
                        following.yield(request)
                        continue
                    }
                    group.addTask {
                        if let event = await answer(to: effect, from: source, keeper) {
                            mailbox.post(event)
                            // Behind it, so that nobody waits for it.
                            if let end = keeper.keep(event) { mailbox.post(end) }
                        }
                    }
                }
                following.finish()
                group.cancelAll()
            }
        } onCancel: {
            mailbox.stop()
        }
        return try outcome.result.withLock { $0 }.get()
    }

    /// How the loop ended, carried out of the group.
    private final class Outcome: Sendable {
        let result = Mutex<Result<Ending, TerminalError>>(.success(.cancelled))
    }

    private static func loop(
        _ configuration: Configuration, _ mailbox: Mailbox,
        _ requests: AsyncStream<Effect>.Continuation
    ) -> Result<Ending, TerminalError> {
        do {
            let terminal = try Terminal(
                name: configuration.terminal, input: configuration.input,
                output: configuration.output, depth: configuration.depth,
                unicode: configuration.unicode, noColor: configuration.noColor,
                mouse: configuration.mouse, asksGround: configuration.theme == nil,
                colorfgbg: configuration.colorfgbg, waker: mailbox.waker)
            defer { terminal.close() }
            let theme =
                configuration.theme ?? configuration.themes.theme(for: terminal.ground)
            var loop = EventLoop(
                configuration: configuration, theme: theme, terminal: terminal, mailbox: mailbox,
                requests: requests)
            return .success(loop.run())
        } catch {
            return .failure(error)
        }
    }

    /// Asks the daemon what an effect is about.
    private static func answer(
        to effect: Effect, from source: some MonitorSource, _ keeper: Keeper
    ) async -> ModelEvent? {
        switch effect {
        case .fetch(let request) where request.past != nil:
            return .fetched(request, keeper.recall(request))
        case .sample(let question):
            let request = FetchRequest(ticket: 0, page: 0, question: question)
            if let snapshot = try? await fetch(request, from: source),
                let end = keeper.keep(snapshot, question)
            {
                return end
            }
            return .sampled
        case .fetch(let request):
            return .fetched(request, await result { try await fetch(request, from: source) })
        case .plan(let ticket, let request):
            return .planned(ticket: ticket, await result { try await source.plan(request) })
        case .apply(let ticket, let plan, let request):
            return .applied(
                ticket: ticket, await result { try await source.apply(plan, request) })
        case .undo(let action):
            return .undone(await result { try await source.undo(action) })
        case .save(let file): return .saved(await onThread { file.write() })
        case .quit, .repaint, .theme, .keepTheme, .keep, .stream: return nil
        }
    }

    private static func fetch(
        _ request: FetchRequest, from source: some MonitorSource
    ) async throws -> Snapshot {
        guard let question = request.question else {
            return Snapshot(status: try await source.status())
        }
        // At the same time: the one need not wait for the other's way there and back.
        async let status = source.status()
        async let answer = answer(to: question, from: source)
        return try await Snapshot(status: status, answer: answer)
    }

    private static func answer(
        to question: Question, from source: some MonitorSource
    ) async throws -> Answer {
        switch question {
        case .destinations(let query, let window):
            .destinations(
                try await source.destinations(
                    filter: query.filter, sort: query.sort, descending: query.descending,
                    limit: window.limit, offset: window.offset, around: window.around))
        case .messages(let query, let window):
            .messages(
                try await source.messages(
                    filter: query.filter, sort: query.sort, descending: query.descending,
                    limit: window.limit, offset: window.offset, around: window.around))
        case .actions(let window):
            .actions(try await source.actions(limit: window.offset + window.limit))
        case .body(let id):
            .body(
                try await ifThere {
                    try await source.body(of: id, lines: MessagePage.bodyLines)
                })
        case .ages(let limit): .ages(try await source.ages(limit: limit))
        case .log: .log([])
        case .schedule(let limit): .schedule(try await source.schedule(limit: limit))
        case .message(let id):
            .message(try await ifThere { try await source.message(id) })
        case .destination(let id):
            .destination(try await ifThere { try await source.detail(of: id) })
        }
    }

    /// nil where the daemon says that there is no such thing.
    private static func ifThere<Value>(
        _ body: () async throws -> Value
    ) async throws -> Value? {
        do {
            return try await body()
        } catch let error where Failure(error).code == "not-found" {
            return nil
        }
    }

    private static func result<Value: Sendable>(
        _ body: () async throws -> Value
    ) async -> Result<Value, Failure> {
        do {
            return .success(try await body())
        } catch {
            return .failure(Failure(error))
        }
    }
}
