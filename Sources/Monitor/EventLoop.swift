import CAllocator
import Glibc
import Mail
import Settings
import Terminal

/// Waits for what happens, hands it to the model, and shows what has changed. It belongs to the
/// terminal's thread.
struct EventLoop {
    private let terminal: Terminal
    private let mailbox: Mailbox
    private let requests: AsyncStream<Effect>.Continuation
    private var look: Look
    private let themes: ThemeFinder
    private let keepTheme: @Sendable (String) -> Void
    private let keptFile: KeptFile?
    private let period: Duration
    private let start = ContinuousClock.now
    private static let frame = Duration.milliseconds(125)
    /// When what only the start needed is given back; nil: it has been.
    private var trimAt: ContinuousClock.Instant? = .now + .seconds(3)
    private var model: Model
    private var isDirty = true
    private var ending: Monitor.Ending?

    init(
        configuration: Monitor.Configuration, theme: Theme, terminal: Terminal, mailbox: Mailbox,
        requests: AsyncStream<Effect>.Continuation
    ) {
        self.terminal = terminal
        self.mailbox = mailbox
        self.requests = requests
        look = Look(theme: theme, capabilities: terminal.capabilities)
        themes = configuration.themes
        keepTheme = configuration.keepTheme
        keptFile = configuration.keptFile
        period = min(.seconds(1), max(.milliseconds(100), configuration.interval))
        model = Model(
            options: Model.Options(
                interval: configuration.interval, readOnly: configuration.readOnly,
                keymap: configuration.keymap, themes: configuration.themes.names(),
                kept: configuration.kept,
                recording: configuration.recording?.path, replay: configuration.replay?.path,
                session: String(UInt64.random(in: 0...UInt64.max), radix: 36)),
            size: terminal.size, moment: Self.moment(since: start))
        model.query.filter = configuration.filter
        model.theme = theme.name
        if let start = configuration.start { model.begin(with: start) }
    }

    mutating func run() -> Monitor.Ending {
        var nextTick = ContinuousClock.now
        while true {
            if ContinuousClock.now >= nextTick {
                tick()
                nextTick += period
                if let trimAt, ContinuousClock.now >= trimAt {
                    self.trimAt = nil
                    sluice_trim_code()
                    sluice_trim_memory()
                }
                // After a stop, or on a machine that is too slow, ticks are not made up for.
                if nextTick < .now { nextTick = .now + period }
            }
            if let ending { return ending }
            if isDirty {
                terminal.present(render(model, size: terminal.size, look: look))
                isDirty = false
            }
            // What the operator waits for is drawn as going on, between the ticks too.
            let frame = ContinuousClock.now + Self.frame
            let until = model.isWaiting ? min(nextTick, frame) : nextTick
            for event in terminal.wait(until: until) { handle(event) }
            if model.isWaiting, ContinuousClock.now >= frame { apply(.tick) }
            let mail = mailbox.take()
            for event in mail.events { apply(event) }
            if mail.isStopped, ending == nil { ending = .cancelled }
            if let ending { return ending }
        }
    }

    private mutating func tick() {
        let effects = update(&model, .tick, at: Self.moment(since: start))
        // With fresh data on their way the screen is drawn once, when they are here.
        let awaitsData =
            model.link == .live && effects.contains { if case .fetch = $0 { true } else { false } }
        perform(effects)
        if !awaitsData { isDirty = true }
    }

    private mutating func handle(_ event: Terminal.Event) {
        switch event {
        case .key(let key): apply(.key(key))
        case .resize(let size): apply(.resize(size))
        case .wake: break
        case .terminate(let signal): ending = ending ?? .signal(signal)
        case .hangup: ending = ending ?? .hangup
        case .stop:
            terminal.stop()
            apply(.resize(terminal.size))
        }
    }

    private mutating func apply(_ event: ModelEvent) {
        perform(update(&model, event, at: Self.moment(since: start)))
        isDirty = true
    }

    private mutating func perform(_ effects: [Effect]) {
        for effect in effects {
            switch effect {
            case .quit: ending = ending ?? .quit
            case .theme(let name): show(theme: name)
            case .keepTheme(let name): keepTheme(name)
            case .keep(let change): keep(change)
            case .repaint:
                terminal.repaint()
                isDirty = true
            case .fetch, .sample, .plan, .apply, .undo, .stream, .save: requests.yield(effect)
            }
        }
    }

    /// A theme that is broken is said to be, and the one before stays.
    private mutating func show(theme name: String) {
        do throws(SettingsError) {
            look.theme = try themes.theme(named: name)
        } catch {
            let first = error.problems.first.map { "\($0)" } ?? ""
            model.say(.failed, "theme \(safe(name)): \(safe(first))")
        }
        isDirty = true
    }

    private mutating func keep(_ change: KeptChoices.Change) {
        do throws(SettingsError) {
            try keptFile?.make(change)
        } catch {
            let first = error.problems.first.map { "\($0)" } ?? ""
            model.say(.failed, "not kept for the next start: \(safe(first))")
        }
        isDirty = true
    }

    private static func moment(since start: ContinuousClock.Instant) -> Moment {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var local = tm()
        localtime_r(&now.tv_sec, &local)
        return Moment(
            elapsed: ContinuousClock.now - start,
            wall: UnixTime(
                milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000),
            utcOffset: local.tm_gmtoff)
    }
}
