package import Control
package import Mail
package import Terminal

/// All that the monitor knows; `update` changes it, `render` draws it. A value, without I/O.
package struct Model: Sendable {
    package struct Options: Sendable {
        /// Between two requests for data.
        package var interval: Duration
        package var readOnly: Bool
        package var keymap: Keymap
        /// The names that there are to choose from.
        package var themes: [String]
        /// What was chosen in earlier runs.
        package var kept: KeptChoices
        /// The file that what comes is written into.
        package var recording: String?
        /// The file that is shown instead of a daemon.
        package var replay: String?
        /// Tells this monitor's questions from others'.
        package var session: String

        package init(
            interval: Duration = .seconds(1), readOnly: Bool = false, keymap: Keymap = .standard,
            themes: [String] = [], kept: KeptChoices = KeptChoices(), recording: String? = nil,
            replay: String? = nil, session: String = "monitor"
        ) {
            self.session = session
            self.kept = kept
            self.recording = recording
            self.replay = replay
            self.interval = interval
            self.readOnly = readOnly
            self.keymap = keymap
            self.themes = themes
        }
    }

    /// How it stands with the daemon.
    package enum Link: Hashable, Sendable {
        case connecting
        case live
        /// `since` and `retryAt` are on the clock of `Moment.elapsed`.
        case lost(since: Duration, attempts: Int, retryAt: Duration, reason: String)
    }

    package enum Overlay: Sendable {
        case help(scroll: Int)
        case menu(Menu)
        case palette(Palette)
        case filter(FilterPrompt)
        case columns(ColumnChooser)
        case views(ViewMenu)
        case preview(Preview)
        case time(TimePrompt)
    }

    /// What was done, or why not.
    package struct Feedback: Hashable, Sendable {
        package enum Kind: Hashable, Sendable { case done, hint, failed }

        package var kind: Kind
        package var text: Label
        package var at: Duration
    }

    package let options: Options
    package var moment: Moment
    package var size: Size

    package var link = Link.connecting
    /// It was lost as nothing was answered.
    var isSilent = false
    package var status: Status?
    /// When `status` came, and the daemon's clock then.
    package var receivedAt: Duration?
    package var daemonAt: UnixTime?
    package var frozenAt: Duration?
    /// What is shown is the past.
    package var past: Past?
    /// For the past: when what is not shown was last asked for, how often, and whether it is now.
    var sampling = Sampling()
    /// The file that is written, as long as that works.
    package var recording: String?

    /// Columns, orders and views, as they are chosen now.
    package internal(set) var kept: KeptChoices

    var pages = PageStack()
    package var overlay: Overlay?
    /// Actions are about all rows that match: of which page, by which filter.
    var allChosen: (page: Int, query: String?)?
    var range: RangeChoice?
    /// The name of the theme that is shown.
    package var theme = ThemeFinder.defaultName
    package var feedback: Feedback?
    /// The last action that can still be undone.
    package var undoable: ActionRow?

    /// Requests that are under way, and what is still to be asked when one ends.
    package var fetching: Set<Int> = []
    package var lastTicket = 0
    package var shownTicket = 0
    package var fetchAgain = false
    package var nextFetchAt: Duration?
    package var fetchStartedAt: Duration?
    /// The undo that is under way, and since when.
    var undoing: (action: String, since: Duration)?

    /// What is followed now, and which page follows it.
    var followed: (request: StreamRequest, page: Int)?
    /// It ended by itself: not asked for again before that time.
    var followAgainAt: Duration?

    package init(options: Options, size: Size, moment: Moment) {
        self.options = options
        self.size = size
        self.moment = moment
        kept = options.kept
        page = arranged(page)
        recording = options.recording
        if options.replay != nil { past = Past(isPlaying: true, playedFrom: moment.elapsed) }
    }
}

extension Model {
    /// The time at the daemon, as far as it is known: its own, carried forward while data are
    /// live, standing still once they are not.
    var daemonNow: UnixTime {
        guard let daemonAt, let receivedAt else { return moment.wall }
        return daemonAt + (shownUntil - receivedAt)
    }

    private var shownUntil: Duration {
        guard let receivedAt else { return moment.elapsed }
        if past != nil { return receivedAt }
        if let frozenAt { return max(receivedAt, frozenAt) }
        if case .lost = link { return receivedAt }
        return moment.elapsed
    }

    /// How old the data are.
    var age: Duration? { receivedAt.map { moment.elapsed - $0 } }

    /// True once the numbers can no longer pass for live.
    var isStale: Bool {
        if past != nil { return false }
        if case .lost = link { return true }
        guard let age, frozenAt == nil else { return false }
        return age > max(.seconds(3), options.interval * 3)
    }

    /// Seconds until a time at the daemon; nil once it is past.
    func secondsUntil(_ time: UnixTime?) -> Double? {
        guard let time else { return nil }
        let seconds = (time - daemonNow).inSeconds
        return seconds > 0 ? seconds : nil
    }

    func secondsSince(_ time: UnixTime) -> Double { max(0, (daemonNow - time).inSeconds) }

    mutating func say(_ kind: Feedback.Kind, _ text: Label) {
        feedback = Feedback(kind: kind, text: text, at: moment.elapsed)
    }

    /// Seconds in which `undoable` can still be undone: nil if there is nothing to undo,
    /// infinity where it has no end.
    var undoSeconds: Double? {
        guard let undoable else { return nil }
        guard let until = undoable.undoUntil else { return .infinity }
        guard let daemonAt, let receivedAt else { return nil }
        // Undoing goes on while the screen is frozen or the daemon away.
        let now = daemonAt + (moment.elapsed - receivedAt)
        let left = (until - now).inSeconds
        return left > 0 ? left : nil
    }
}
