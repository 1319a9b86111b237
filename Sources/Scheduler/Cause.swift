/// Whose fault a temporary failure is, which decides who waits.
package enum Cause: String, Hashable, Sendable, Codable, CaseIterable {
    /// Refused, unreachable, no greeting in time: the destination waits.
    case connect
    /// TLS could not be agreed. Never slows the destination down.
    case handshake
    /// The receiver as a whole: overload, rate limits, policy (421, 4.7.x, 4.3.2, 4.4.5).
    case destination
    /// One mailbox, for a reason that says nothing of how long (4.2.x). Only the delivery waits.
    case recipient
    /// This message or its sender.
    case content
    /// Ourselves.
    case us
    /// Turned away at the door, before anything was said about mail: too many connections, or a
    /// machine of many that is not well. Fewer connections may help, a lower rate does not.
    case crowded
    /// One recipient, until a time that greylisting sets: a retry soon after it passes.
    case greylisted
    /// One mailbox that is full: emptied in hours, if ever.
    case full
    /// Turned away at the door for having come too often: fewer connections in a time help, fewer
    /// at a time do not.
    case hurried

    /// Only these slow a destination down.
    package var isDestination: Bool {
        switch self {
        case .connect, .destination, .crowded, .hurried: true
        case .handshake, .recipient, .content, .us, .greylisted, .full: false
        }
    }
}

/// Where in the SMTP dialogue something happened.
package enum Stage: String, Hashable, Sendable, Codable, CaseIterable {
    case connect, greeting, tls, ehlo, mail, rcpt, data, dot, quit
}
