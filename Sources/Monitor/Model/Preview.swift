package import Control
import Filter

/// What an action would do, before it does it. Bound to the ids of its targets and to the
/// daemon's plan; what goes on behind it changes nothing in it.
package struct Preview: Sendable {
    package enum Phase: Sendable {
        case planning(ticket: Int)
        case ready(Plan)
        case applying(ticket: Int, Plan)
        case failed(Failure)
    }

    package enum Focus: Hashable, Sendable, CaseIterable {
        /// How long a pause lasts.
        case time
        case reason, count, cancel, confirm
    }

    package let action: ActionKind
    package let subject: Subject
    /// For reassign: nil lets the ring decide.
    package let worker: Int?
    /// Whose workers an action on them is about, where there are several hosts or nodes.
    package var host: String?
    package var node: String?
    package var phase: Phase
    /// When the phase began, on the clock of `Moment.elapsed`.
    package var since: Duration
    package var focus = Focus.cancel
    /// The operator moved it: the plan's arrival no longer does.
    package var focusIsChosen = false
    package var time = TextField()
    package var reason = TextField()
    package var count = TextField()

    package init(
        action: ActionKind, subject: Subject, worker: Int? = nil, phase: Phase, since: Duration
    ) {
        self.action = action
        self.subject = subject
        self.since = since
        self.worker = worker
        self.phase = phase
    }

    /// What the daemon calls the making of this preview; nil where it is not being made.
    func progressName(_ session: String) -> String? {
        guard case .planning(let ticket) = phase else { return nil }
        return "\(session)-\(ticket)"
    }

    package var targets: [Target] { subject.targets }

    package var plan: Plan? {
        switch phase {
        case .ready(let plan), .applying(_, let plan): plan
        case .planning, .failed: nil
        }
    }

    /// Destroys something: the safe button is the one that Enter finds.
    package var isDangerous: Bool { action == .purge || action == .bounce }

    package func request(_ session: String) -> PlanRequest {
        var request = PlanRequest(
            action: action,
            selector: subject.selector(for: action), reason: reason.text, worker: worker,
            seconds: seconds, progress: progressName(session))
        request.host = host
        request.node = node
        return request
    }

    /// What Tab goes through, top to bottom.
    package var focuses: [Focus] {
        Focus.allCases.filter { focus in
            switch focus {
            case .count: plan?.mustTypeCount == true
            case .time: action == .pause
            case .reason, .cancel, .confirm: true
            }
        }
    }

    /// A pause ends by itself after at most a year.
    private static let longestPause = 366 * 86_400.0

    /// How long the pause is to last; nil: until it is ended.
    package var seconds: Double? {
        let text = time.text.filter { $0 != " " }
        return text.isEmpty ? nil : Quantity.duration(text)
    }

    /// What is wrong with the time that was typed; nil: nothing.
    package var timeIsWrong: Bool {
        guard time.text.contains(where: { $0 != " " }) else { return false }
        guard let seconds else { return true }
        return !(seconds > 0 && seconds <= Self.longestPause)
    }

    /// The plan is one for another time than what is typed now.
    package var isOutdated: Bool { plan.map { $0.request.seconds != seconds } ?? false }

    /// The number that was typed; separators are allowed.
    package var typedCount: Int? {
        Int(String(count.characters.filter { $0 != "," && $0 != "." && $0 != " " }))
    }
}
