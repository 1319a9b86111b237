package import Control
package import Mail
package import Terminal

/// All that the monitor knows; `update` changes it, `render` draws it. A value, without I/O.
package struct Model: Sendable {
    package struct Options: Sendable {
        /// Between two requests for data.
        package var interval: Duration
        package var readOnly: Bool

        package init(interval: Duration = .seconds(1), readOnly: Bool = false) {
            self.interval = interval
            self.readOnly = readOnly
        }
    }

    /// How it stands with the daemon.
    package enum Link: Hashable, Sendable {
        case connecting
        case live
        /// `since` and `retryAt` are on the clock of `Moment.elapsed`.
        case lost(since: Duration, attempts: Int, retryAt: Duration, reason: String)
    }

    /// A destination that something is about to be done to: bound by its id, whatever the table
    /// shows meanwhile.
    package struct Target: Hashable, Sendable {
        package var id: String
        package var name: String
    }

    /// The row that is pointed at: its identity, not its place.
    package struct Cursor: Hashable, Sendable {
        package var id: String?
        /// Its place in the whole order when it was last seen.
        package var index = 0
        /// False until it is first moved; until then it stays at the top.
        package var isChosen = false
        /// It was chosen, and is not among the rows that the daemon sent.
        package var isLost = false
        /// The operator changed the filter or the order since the rows came.
        package var isReordered = false
    }

    /// A page on the stack; the table lies below them all.
    package enum Place: Hashable, Sendable {
        case destination(Target, scroll: Int)
    }

    package enum Overlay: Sendable {
        case help(scroll: Int)
        case menu(Menu)
        case filter(FilterPrompt)
        case preview(Preview)
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
    package var status: Status?
    package var rows: [DestinationRow] = []
    /// The place of the first of `rows` in the whole order, and how long that is.
    package var offset = 0
    package var total = 0
    /// When `status` and `rows` came, and the daemon's clock then.
    package var receivedAt: Duration?
    package var daemonAt: UnixTime?
    package var frozenAt: Duration?

    package var query = Query()
    /// What `rows` were asked for by: `query` is ahead of it until the daemon has answered, and
    /// goes back to it if the daemon refuses.
    package var shownQuery = Query()
    package var cursor = Cursor()
    /// The first place on the screen.
    package var top = 0
    package var tags: [Target] = []
    package var places: [Place] = []
    /// For the page of a destination: as last seen, and when.
    package var detail: (row: DestinationRow, at: Duration)?
    package var overlay: Overlay?
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
    package var isUndoing = false

    package init(options: Options, size: Size, moment: Moment) {
        self.options = options
        self.size = size
        self.moment = moment
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
        if let frozenAt { return max(receivedAt, frozenAt) }
        if case .lost = link { return receivedAt }
        return moment.elapsed
    }

    /// How old the data are.
    var age: Duration? { receivedAt.map { moment.elapsed - $0 } }

    /// True once the numbers can no longer pass for live.
    var isStale: Bool {
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

    func row(at index: Int) -> DestinationRow? {
        let place = index - offset
        return rows.indices.contains(place) ? rows[place] : nil
    }

    func row(id: String) -> DestinationRow? { rows.first { $0.id == id } }

    /// The destination that keys act on: that of the page that is open, else of the cursor.
    var current: DestinationRow? {
        if case .destination(let target, _)? = places.last {
            return detail?.row.id == target.id ? detail?.row : row(id: target.id)
        }
        guard let id = cursor.id, !cursor.isLost else { return nil }
        return row(id: id)
    }

    /// What an action would be about: the page's destination, else the tagged ones, else the row
    /// under the cursor.
    var targets: [Target] {
        if case .destination(let target, _)? = places.last { return [target] }
        if !tags.isEmpty { return tags }
        return current.map { [Target(id: $0.id, name: $0.name)] } ?? []
    }

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
