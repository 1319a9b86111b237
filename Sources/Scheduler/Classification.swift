/// The built-in rules that say whose fault a reply is.
///
/// The caller knows whether a reply is permanent (5xx); the cause of a permanent one says what
/// else is affected.
package enum Classification {
    /// - Parameters:
    ///   - code: the reply's three digits; 0 if there was no reply.
    ///   - enhanced: the enhanced status code (RFC 3463) as class, subject, detail.
    ///   - text: the reply's text; ASCII case is ignored.
    package static func classify(
        code: Int, enhanced: (Int, Int, Int)?, text: some StringProtocol, stage: Stage
    ) -> Cause {
        switch stage {
        case .connect: return .connect
        case .tls: return .handshake
        case .quit: return .us
        case .greeting, .ehlo, .mail, .rcpt, .data, .dot: break
        }
        if code == 0 { return stage == .greeting ? .connect : .destination }

        let text = text.lowercased()
        // Before everything else: greylisting comes as 450 4.2.0, 451 4.7.1 and even as 421.
        if stage != .greeting, greylisting.contains(where: text.contains) { return .greylisted }
        if haste.contains(where: text.contains) { return .hurried }
        if stage == .greeting || stage == .ehlo {
            return throttling.contains(where: text.contains) && !text.contains("busy")
                && !text.contains("service") ? .hurried : .crowded
        }
        if crowding.contains(where: text.contains) { return .crowded }
        if code == 421 { return .destination }
        if let enhanced, let cause = classify(subject: enhanced.1, detail: enhanced.2) {
            return cause
        }
        if enhanced == nil, stage == .rcpt || stage == .dot, full.contains(where: text.contains) {
            return .full
        }
        if throttling.contains(where: text.contains) { return .destination }
        return classify(code: code, stage: stage)
    }

    /// How the usual greylisting programs word it (postgrey, milter-greylist, sqlgrey, rspamd).
    private static let greylisting = [
        "greylist", "graylist", "grey-list", "gray-list", "grey list", "gray list",
    ]

    /// What receivers without enhanced codes say of a mailbox that is full.
    private static let full = [
        "mailbox full", "mailbox is full", "over quota", "overquota", "quota exceeded",
        "exceeded storage", "out of storage",
    ]

    /// What receivers say that count connections over a time.
    private static let haste = [
        "connection rate", "connections rate", "rate of connections", "connection frequency",
        "connections per", "connecting too", "connect too", "too frequent connect",
        "too many new connections", "too many connections in a short",
        "too many connections in the last",
        "too many recent connections",
    ]

    /// What receivers say whose limit is one of connections, at whatever stage they count them.
    private static let crowding = ["too many connections", "too many concurrent"]

    /// What receivers say that throttle without an enhanced code.
    private static let throttling = [
        "too many messages", "too many emails",
        "rate limit", "ratelimit", "rate-limit", "throttl", "too fast", "server busy",
        "server is busy", "service unavailable", "service not available",
        "temporarily deferred due to", "unusual rate",
    ]

    /// By RFC 3463 §3; nil where the subject leaves it open.
    private static func classify(subject: Int, detail: Int) -> Cause? {
        switch (subject, detail) {
        // X.1.7 and X.1.8: the sender's address; the rest of X.1: the recipient's.
        case (1, 7), (1, 8): .content
        case (2, 2): .full
        case (1, _), (2, _): .recipient
        // System full, not accepting now, misconfigured. X.3.0, X.3.3 and X.3.4 are used for
        // whatever went wrong with this message.
        case (3, 1), (3, 2), (3, 5): .destination
        case (3, 4): .content
        // Congestion, and no answer from a machine behind the receiver.
        case (4, 1), (4, 2), (4, 5): .destination
        // A routing or directory lookup for this recipient failed.
        case (4, _): .recipient
        // Too many recipients in one transaction: those left over come with the next one.
        case (5, 3): .recipient
        case (5, _), (6, _): .content
        // A cryptographic failure on the receiver's side.
        case (7, 4), (7, 5): .handshake
        case (7, _): .destination
        default: nil
        }
    }

    /// By the code alone (RFC 5321 §4.2.3): 450 mailbox busy, 451 local error, 452 no space.
    private static func classify(code: Int, stage: Stage) -> Cause {
        switch stage {
        case .rcpt: .recipient
        case .mail: code == 552 || code == 555 ? .content : .destination
        case .data, .dot: code == 452 ? .destination : .content
        case .connect, .greeting, .tls, .ehlo, .quit: .destination
        }
    }
}
