import Scheduler

/// A message of the modelled traffic: one recipient, one destination.
struct SimulatedMail {
    let number: Int
    let destination: Int
    let sender: UInt32
    let priority: UInt8
    /// Bytes.
    let size: Int
    let arrived: Instant
    /// Which of the scenario's streams of traffic it belongs to.
    let stream: Int
}

/// What a sender wants done now.
struct SimulatedAttempt {
    let mail: Int
    let destination: Int
    /// Over an idle connection, else a new one is opened.
    let reuses: Bool
    /// A connection that does not come about is given up after this.
    var connectTimeout = Duration.seconds(30)
    /// What the connection that was opened for it took.
    var opened: Duration?
}

/// How an attempt ended.
enum SimulatedOutcome {
    case delivered
    case deferred(Cause, reply: String)
}

/// A mail server's rules about when what is tried: Sluice's own scheduler, or a model of another's.
///
/// Times never go backwards. After every call, and at `nextWake`, `next` is asked until it is nil.
protocol SimulatedSender {
    var name: String { get }
    mutating func enqueue(_ mail: SimulatedMail, at now: Instant)
    mutating func next(at now: Instant) -> SimulatedAttempt?
    /// - Parameter keepsConnection: it is idle now.
    mutating func finished(
        _ attempt: SimulatedAttempt, _ outcome: SimulatedOutcome, keepsConnection: Bool,
        at now: Instant)
    /// An idle connection of the destination was closed.
    mutating func idleClosed(_ destination: Int, at now: Instant)
    func nextWake(after now: Instant) -> Instant?
    /// Whether connections are kept for the next message.
    var reusesConnections: Bool { get }
}
