package import Scheduler

/// What a rule does with a refused delivery.
package enum ReplyAction: Hashable, Sendable, Codable {
    /// The delivery waits alone, and the destination is not blamed.
    case wait(Cause)
    /// The destination is sent less in a time (`destination`), or gets fewer connections at a time
    /// (`crowded`) or in a time (`hurried`).
    case throttle(Cause)
    /// The destination is left alone for so long.
    case suspend(Duration)
    /// Given up at once, and reported to the sender.
    case bounce
    /// The next address of the destination is tried at once, without blame.
    case elsewhere
    /// No rule: what Sluice makes of the codes by itself.
    case none

    /// As `action` has it in a file.
    package enum Word: String, CaseIterable {
        case recipient, greylist, full, message
        case throttleRate = "throttle-rate"
        case throttleConnections = "throttle-connections"
        case throttleConnectionRate = "throttle-connection-rate"
        case suspend, bounce, elsewhere, none
    }

    package var word: Word {
        switch self {
        case .wait(.greylisted): .greylist
        case .wait(.full): .full
        case .wait(.content): .message
        case .wait: .recipient
        case .throttle(.crowded): .throttleConnections
        case .throttle(.hurried): .throttleConnectionRate
        case .throttle: .throttleRate
        case .suspend: .suspend
        case .bounce: .bounce
        case .elsewhere: .elsewhere
        case .none: .none
        }
    }

    /// nil: `suspend` without a time.
    init?(_ word: Word, time: Duration?) {
        switch word {
        case .recipient: self = .wait(.recipient)
        case .greylist: self = .wait(.greylisted)
        case .full: self = .wait(.full)
        case .message: self = .wait(.content)
        case .throttleRate: self = .throttle(.destination)
        case .throttleConnections: self = .throttle(.crowded)
        case .throttleConnectionRate: self = .throttle(.hurried)
        case .suspend:
            guard let time else { return nil }
            self = .suspend(time)
        case .bounce: self = .bounce
        case .elsewhere: self = .elsewhere
        case .none: self = .none
        }
    }
}
