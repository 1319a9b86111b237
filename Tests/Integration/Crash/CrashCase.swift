import Faults
import Testing

/// One crash: where, and who is ended there.
struct CrashCase: Sendable, CustomTestStringConvertible {
    var point: FaultPoint
    /// Which time the point is reached, from 1.
    var turn: Int
    var victims: FaultPlan.Victims
    var scenario: Scenario

    /// What is under way.
    enum Scenario: String, Sendable {
        /// Mail of all kinds: delivered, deferred, bounced, split, routed by DNS.
        case mail
        /// The manager was killed under such a load before; what its workers leave is taken over.
        case orphans
        /// Holds, purges, bounces, and what takes them back.
        case actions
        /// More deliveries are held, purged and brought back than one transaction marks.
        case many
        /// A destination is paused, resumed, and made to try again.
        case pauses
        /// A destination moves between the workers while it is delivered to.
        case move
        /// SIGTERM under load.
        case stop
    }

    var plan: String { "\(point.rawValue):\(turn)=\(victims.rawValue)" }
    var testDescription: String { "\(plan) (\(scenario.rawValue))" }

    /// Every point with everybody who can be ended there.
    static let all: [CrashCase] = FaultPoint.allCases.flatMap { point in
        let place = point.place
        let victims: [FaultPlan.Victims] =
            place.scenario == .orphans && point.isOfWorkers
            // There is no manager then.
            ? [.worker] : [.manager, .worker, .all]
        return victims.map {
            CrashCase(point: point, turn: place.turn, victims: $0, scenario: place.scenario)
        }
    }

    /// What a quick run takes: one case of each kind of effect.
    static let few: [CrashCase] = all.filter {
        switch ($0.point, $0.victims) {
        case (.applied, .all), (.committed, .manager), (.handed, .worker), (.dotSent, .worker),
            (.replyRead, .manager), (.resultKept, .all), (.resultReceived, .manager),
            (.settling, .all), (.bouncing, .manager), (.journalOpened, .worker),
            (.journalRecorded, .manager), (.marked, .all), (.undone, .manager),
            (.retried, .manager), (.paused, .all), (.surrendered, .worker):
            true
        default: false
        }
    }
}

extension FaultPoint {
    var isOfWorkers: Bool {
        switch self {
        case .routeResolved, .queued, .started, .fetched, .opened, .dataAccepted, .dotSent,
            .replyRead, .resultKept, .reported, .acknowledged, .journalOpened, .journalSynced,
            .surrendering, .surrendered, .dismissed:
            true
        default: false
        }
    }

    /// In the middle of what reaches it: not the first time where there are several.
    fileprivate var place: (scenario: CrashCase.Scenario, turn: Int) {
        switch self {
        case .received, .bound, .committed, .answered, .handed: (.mail, 30)
        case .applied, .synced: (.mail, 20)
        case .routeAsked, .routeResolved, .routed, .routeRecorded: (.mail, 2)
        case .assigned: (.mail, 3)
        case .framesSent: (.mail, 25)
        case .queued, .started, .opened, .dataAccepted, .dotSent, .replyRead, .resultKept,
            .acknowledged:
            (.mail, 15)
        case .reported: (.mail, 12)
        case .fetched, .deferring, .deferred, .settling, .settled, .bouncing, .bounced: (.mail, 3)
        case .resultReceived, .recorded: (.mail, 20)
        case .journalOpened, .journalSynced, .journalRead, .journalRecorded, .restored:
            (.orphans, 1)
        case .loading, .loaded: (.orphans, 2)
        case .marking, .marked, .withdrawn: (.actions, 3)
        case .partlyMarked, .partlyUndone: (.many, 1)
        case .retrying, .retried, .pausing, .paused, .resuming, .resumed: (.pauses, 1)
        case .destroying, .destroyed, .undoing, .undone, .releasing, .released: (.actions, 1)
        case .surrenderAsked, .surrendering, .surrendered, .handedOver: (.move, 1)
        case .stopping, .dismissed: (.stop, 1)
        }
    }
}
