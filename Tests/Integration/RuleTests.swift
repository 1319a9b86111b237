import Control
import Glibc
import Testbed
import Testing

extension Integration {
    /// The rule table and the reports to senders, with the real daemon.
    @Suite struct RuleTests {
        @Test func anOperatorsRuleBounces() async throws {
            try await withScene { scene in
                let full = try await scene.receiver("full", .fullMailboxes(share: 1))
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.routes = ["a.test": full.route, "sender.test": senders.route]
                settings.more = """
                    [log]
                    level = "info"
                    [[rules]]
                    name = "no-full-boxes"
                    match = "a.test"
                    enhanced = "4.2.2"
                    action = "bounce"
                    """
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("full", to: "user@a.test"), to: daemon.port)
                try await senders.takes(1)
                let report = senders.captured[0].text
                #expect(report.contains("Action: failed"))
                #expect(report.contains("Status: 4.2.2"))
                try await daemon.awaitEmptyQueue()
                #expect(full.statistics.transactions == 1)
                try await waitUntil("the log names the rule") {
                    daemon.logText.contains("rule=no-full-boxes")
                }
            }
        }

        /// A reload brings a rule to destinations that workers have already.
        @Test func aReloadBringsRules() async throws {
            try await withScene { scene in
                let full = try await scene.receiver("full", .fullMailboxes(share: 1))
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.routes = ["a.test": full.route, "sender.test": senders.route]
                settings.retry = ["full_first = \"300ms\"", "full_cap = \"1s\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("full", to: "user@a.test"), to: daemon.port)
                try await waitUntil("it was tried") { try await daemon.totals().deferred > 0 }
                settings.more = "[[rules]]\ncode = \"452\"\naction = \"bounce\"\n"
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await senders.takes(1)
                try await daemon.awaitEmptyQueue()
            }
        }

        @Test func classify() async throws {
            try await withScene { scene in
                var settings = DaemonSettings()
                settings.more = """
                    [[rules]]
                    name = "mine"
                    match = "*.example.com"
                    code = "45x"
                    text = 'slow\\s+down'
                    action = "suspend"
                    time = "30m"
                    """
                let daemon = try scene.idleDaemon(settings)
                func classify(_ arguments: String..., input: String = "") async throws
                    -> Program.Result
                {
                    try await Program.run(
                        try Program.sluiced,
                        ["classify", "--config", daemon.configuration] + arguments, input: input)
                }
                let own = try await classify(
                    "--destination", "mx.example.com", "451 4.7.0 Slow  down, please")
                #expect(own.status == 0, "\(own)")
                #expect(
                    own.lines == [
                        "reply   451 4.7.0 Slow  down, please",
                        "result  suspend: the destination is left alone for 30m", "rule    mine",
                    ])
                let other = try await classify("--stage", "dot", "451 4.7.1 try again later")
                #expect(other.output.contains("rule    rspamd-greylist (built in)"))
                #expect(other.output.contains("source  https://rspamd.com/"))
                let many = try await classify(input: "550 5.1.1 unknown\n450 4.2.1 busy\n")
                #expect(many.lines.count == 6)
                #expect(many.output.contains("bounce: final"))
                #expect(many.output.contains("rule    none; by its codes and words"))
                let wrong = try await classify("250 2.0.0 Ok")
                #expect(wrong.status == 2)
                #expect(wrong.errors.contains("is no refusal"))
                let rules = try await Program.run(try Program.sluiced, ["classify", "--rules"])
                #expect(rules.output.contains("name = \"gmail-ip-rate\""))
            }
        }

        @Test func checkSaysWhatWasMeant() async throws {
            try await withScene { scene in
                var settings = DaemonSettings()
                settings.more = """
                    [[rules]]
                    code = "421"
                    acton = "suspend"
                    [[rules]]
                    text = "(open"
                    action = "full"
                    """
                let daemon = try scene.idleDaemon(settings)
                let check = try await Program.run(
                    try Program.sluiced, ["check", "--config", daemon.configuration])
                #expect(check.status == 1)
                let lines = check.errors.split(separator: "\n")
                #expect(
                    lines.contains {
                        $0.contains("rules[1].acton: unknown key; did you mean \"action\"?")
                    }, "\(check.errors)")
                #expect(
                    lines.contains {
                        $0.contains("rules[2].text: not a usable regular expression: unmatched")
                    }, "\(check.errors)")
            }
        }

        // MARK: Reports

        /// Told once, by whichever daemon comes first, of mail that nobody even tried.
        @Test func aSenderIsToldOnceOfLateMail() async throws {
            try await withScene { scene in
                let senders = try await scene.receiver("senders")
                let dead = try await scene.receiver("dead", .dead)
                var settings = DaemonSettings()
                settings.routes = ["a.test": dead.route, "sender.test": senders.route]
                settings.retry += ["delay_warning = \"1s\""]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("late", to: "user@a.test"), to: daemon.port)
                try await scene.send(TestMail("null", from: "", to: "user@a.test"), to: daemon.port)
                try await senders.takes(1)
                let report = senders.captured[0].text
                #expect(report.contains("Subject: Delayed mail"))
                #expect(report.contains("Final-Recipient: rfc822; user@a.test"))
                #expect(report.contains("Action: delayed"))
                #expect(report.contains("Will-Retry-Until: "))
                #expect(report.contains("Message-ID: <late@sender.test>"))
                try await daemon.end(SIGKILL)
                try await daemon.start()
                // What comes now is told of when the earlier ones would have been again.
                try await scene.send(TestMail("second", to: "other@a.test"), to: daemon.port)
                try await senders.takes(2)
                #expect(senders.captured[1].text.contains("other@a.test"))
                #expect(senders.statistics.messages == 2)
            }
        }

        /// RFC 3461: a receiver without DSN leaves the report of success to us.
        @Test func successIsReported() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("plain")
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route, "sender.test": senders.route]
                let daemon = try await scene.daemon(settings)
                try await Conversation.with(
                    host: "127.0.0.1", port: daemon.port, group: scene.group
                ) { client in
                    try await client.greet(as: "app.sender.test")
                    for command in [
                        "MAIL FROM:<app@sender.test> RET=HDRS ENVID=QQ42",
                        "RCPT TO:<one@a.test> NOTIFY=SUCCESS ORCPT=rfc822;One@A.test",
                        "RCPT TO:<two@a.test> NOTIFY=FAILURE", "DATA",
                    ] {
                        let reply = try await client.command(command)
                        #expect(reply.code < 400, "\(command): \(reply)")
                    }
                    let mail = "Subject: x\r\nX-Testbed-ID: ok\r\n\r\nHi\r\n."
                    #expect(try await client.command(mail).code == 250)
                }
                try await receiver.takes(1)
                try await senders.takes(1)
                let report = senders.captured[0].text
                #expect(report.contains("Subject: Relayed mail"))
                #expect(report.contains("Original-Envelope-Id: QQ42"))
                #expect(report.contains("Original-Recipient: rfc822; One@A.test"))
                #expect(report.contains("Action: relayed"))
                #expect(!report.contains("two@a.test"))
                try await daemon.awaitEmptyQueue()
            }
        }

        /// Postfix offers DSN: it is told what the sender asked for, and it does the telling.
        @Test func aReceiverWithDSNIsToldWhatTheSenderWants() async throws {
            try await withScene { scene in
                let postfix = try await Postfix.start(in: scene)
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.routes = [
                    "postfix.test": "127.0.0.1:\(postfix.port)", "sender.test": senders.route,
                ]
                let daemon = try await scene.daemon(settings)
                try await Conversation.with(
                    host: "127.0.0.1", port: daemon.port, group: scene.group
                ) { client in
                    try await client.greet(as: "app.sender.test")
                    for command in [
                        "MAIL FROM:<app@sender.test>",
                        "RCPT TO:<one@postfix.test> NOTIFY=SUCCESS", "DATA",
                    ] {
                        #expect(try await client.command(command).code < 400)
                    }
                    let mail = "Subject: x\r\nX-Testbed-ID: ok\r\n\r\nHi\r\n."
                    #expect(try await client.command(mail).code == 250)
                }
                try await waitUntil("Postfix has it") { postfix.messages().count == 1 }
                try await daemon.awaitEmptyQueue()
                // No report of ours: Postfix answers for it.
                #expect(senders.statistics.messages == 0)
                try await waitUntil("Postfix reports to the sender") {
                    postfix.log.contains("sender delivery status notification")
                }
            }
        }

        // MARK: Attempts

        /// Whatever keeps mail from being tried, its attempts and its time stay as they are.
        @Test func waitingIsNoAttempt() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("grey", .greylisting(for: .seconds(3600)))
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                settings.workers = 1
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    (0..<3).map { TestMail("m\($0)", to: "user\($0)@rcpt.test") }, to: daemon.port)
                func rows() async throws -> [MessageRow] {
                    try await daemon.control.messages(filter: "attempts = 1", sort: "id").rows
                }
                let before = try await eventually("all were tried") {
                    let rows = try await rows()
                    return rows.count == 3 && rows.allSatisfy { $0.state == .delayed } ? rows : nil
                }
                func same(_ what: String) async throws {
                    let now = try await rows()
                    #expect(now.map(\.id) == before.map(\.id), "\(what)")
                    #expect(now.map(\.nextAttemptAt) == before.map(\.nextAttemptAt), "\(what)")
                    #expect(receiver.statistics.transactions == 3, "\(what)")
                }
                let destination = try await daemon.destination("rcpt.test")
                let selector = Selector(destinations: [destination.id])
                try await daemon.act(.pause, selector)
                try await same("paused")
                try await daemon.act(.resume, selector)
                try await same("resumed")
                let mail = Selector(filter: "domain = rcpt.test")
                try await daemon.act(.hold, mail)
                try await daemon.act(.release, mail)
                try await same("held and released")
                let worker = try await daemon.control.workers().rows[0]
                kill(pid_t(try #require(worker.pid)), SIGKILL)
                try await waitUntil("another worker has it") {
                    let now = try await daemon.control.workers().rows[0]
                    let row = try await daemon.control.destination(destination.id)
                    return now.pid != nil && now.pid != worker.pid && row.delayed == 3
                }
                try await same("after its worker died")
                try await daemon.control.reload()
                try await same("after a reload")
            }
        }

        /// `[[shaping]]` has its own age and schedule, for mail that is queued already too.
        @Test func maxAgeOfADestination() async throws {
            try await withScene { scene in
                let dead = try await scene.receiver("dead", .dead)
                let senders = try await scene.receiver("senders")
                var settings = DaemonSettings()
                settings.routes = ["*": dead.route, "sender.test": senders.route]
                let daemon = try await scene.daemon(settings)
                try await scene.send(
                    [
                        TestMail("old", to: "user@a.test"), TestMail("new", to: "user@b.test"),
                    ], to: daemon.port)
                try await waitUntil("it was tried") { try await daemon.totals().deferred > 0 }
                settings.more = "[[shaping]]\nmatch = \"a.test\"\nmax_age = \"1s\"\n"
                try daemon.configure(settings)
                try await daemon.control.reload()
                // One destination, whatever the domain.
                try await senders.takes(2)
                #expect(senders.captured.allSatisfy { $0.text.contains("Status: 4.4.7") })
                #expect(
                    senders.captured.allSatisfy {
                        $0.text.contains("delivery time expired after 1s")
                    })
                try await daemon.awaitEmptyQueue()
            }
        }
    }
}
