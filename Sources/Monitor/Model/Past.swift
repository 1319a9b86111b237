package import Mail

/// Where in the past the operator is.
package struct Past: Sendable {
    /// What is shown again when the past is left.
    struct Present: Sendable {
        var pages: PageStack
        var frozenAt: Duration?
    }

    /// Speeds that it is played at, in seconds of it a second.
    static let speeds = 0.25...3600.0

    /// The moment that is shown, on the daemon's clock; nil until it has come.
    package var at: UnixTime?
    /// What there is.
    package var span: ClosedRange<UnixTime>?
    package var isPlaying: Bool
    package var speed = 1.0
    /// The time that was reached, which lies between two moments when it is played.
    var position: UnixTime?
    /// When it was there, on the clock of `Moment.elapsed`.
    var playedFrom: Duration
    /// Steps that were asked for and not taken yet.
    var steps = 0
    /// The request that is under way, and how many of the steps it takes.
    var waiting: (ticket: Int, steps: Int)?
    /// What is wrong with the recording.
    package var problem: String?
    /// Nothing was recorded of the page at that time.
    package var isMissing = false
    /// nil: there is none, it is a recording.
    var present: Present?

    init(isPlaying: Bool, playedFrom: Duration, present: Present? = nil) {
        self.isPlaying = isPlaying
        self.playedFrom = playedFrom
        self.present = present
    }
}

/// What is asked for besides what is shown, so that every page has a past.
struct Sampling: Hashable, Sendable {
    var at: Duration?
    var count = 0
    var isUnderWay = false
}

/// The time that is typed.
package struct TimePrompt: Sendable {
    package var field = TextField()
    package var isWrong = false

    package init() {}
}
