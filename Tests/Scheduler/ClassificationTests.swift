import Testing

@testable import Scheduler

@Suite struct ClassificationTests {
    @Test(
        arguments: [
            (0, nil, "connection refused", Stage.connect, Cause.connect),
            (0, nil, "no greeting in time", .greeting, .connect),
            (0, nil, "connection lost", .data, .destination),
            (0, nil, "handshake failed", .tls, .handshake),
            (454, (4, 7, 0), "TLS not available", .tls, .handshake),
            (421, nil, "too many connections", .greeting, .crowded),
            (450, nil, "come later", .greeting, .crowded),
            (554, (5, 7, 1), "blocked", .greeting, .crowded),
            (421, (4, 7, 28), "Our system has detected an unusual rate", .dot, .destination),
            (421, (4, 7, 0), "[TSS04] Messages temporarily deferred", .mail, .destination),
            (451, (4, 7, 500), "Server busy. Please try again later", .rcpt, .destination),
            (452, (4, 3, 1), "Insufficient system storage", .mail, .destination),
            (453, (4, 3, 2), "System not accepting network messages", .mail, .destination),
            (450, (4, 4, 5), "congestion", .rcpt, .destination),
            (450, (4, 2, 0), "<a@b>: Recipient address rejected: Greylisted", .rcpt, .greylisted),
            (451, (4, 7, 1), "GREYLISTING in action, please come back", .rcpt, .greylisted),
            (421, (4, 7, 0), "Graylisted, try in 5 minutes", .rcpt, .greylisted),
            (452, (4, 2, 2), "Mailbox full", .rcpt, .full),
            (450, nil, "mailbox is full", .rcpt, .full),
            (450, (4, 1, 1), "unknown for now", .rcpt, .recipient),
            (450, (4, 1, 8), "Domain of sender address not found", .rcpt, .content),
            (452, (4, 5, 3), "too many recipients", .rcpt, .recipient),
            (451, (4, 6, 0), "conversion", .dot, .content),
            (450, nil, "mailbox busy", .rcpt, .recipient),
            (451, nil, "local error in processing", .rcpt, .recipient),
            (451, nil, "rate limit exceeded", .rcpt, .destination),
            (451, nil, "local error", .dot, .content),
            (452, nil, "out of space", .dot, .destination),
            (451, (4, 3, 0), "temporary failure", .mail, .destination),
            (451, (4, 3, 0), "queue file write error", .dot, .content),
            (421, nil, "bye", .quit, .us),
        ] as [(Int, (Int, Int, Int)?, String, Stage, Cause)])
    func classifies(
        code: Int, enhanced: (Int, Int, Int)?, text: String, stage: Stage, cause: Cause
    ) {
        let result = Classification.classify(
            code: code, enhanced: enhanced, text: text, stage: stage)
        #expect(result == cause, "\(code) \(text)")
    }
}
