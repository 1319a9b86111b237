import Control
import Glibc
import Scheduler
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

        /// The same of mail that is due: for tokens, for the breaker, without a worker.
        @Test func dueMailWaitsWithoutAttempts() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                let dead = try await scene.receiver("dead", .dead)
                var settings = DaemonSettings()
                settings.routes = ["slow.test": receiver.route, "dead.test": dead.route]
                settings.groupBy = "domain"
                settings.workers = 1
                settings.retry = ["breaker_first = \"1h\"", "breaker_cap = \"2h\""]
                settings.more = """
                    [[shaping]]
                    match = "slow.test"
                    rate = "1/h"
                    [supervision]
                    restart_first = "30s"
                    restart_cap = "30s"
                    """
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail.many(5, domain: "slow.test"), to: daemon.port)
                try await scene.send(TestMail.many(5, domain: "dead.test"), to: daemon.port)
                func attempts(_ domain: String) async throws -> [Int] {
                    try await daemon.control.messages(filter: "domain = \(domain)").rows.map(
                        \.attempts)
                }
                try await waitUntil("one has gone") {
                    try await daemon.destination("slow.test").why.kind == "tokens"
                        && receiver.statistics.messages == 1
                }
                #expect(try await attempts("slow.test") == [0, 0, 0, 0])
                let open = try await eventually("the breaker opens") {
                    let row = try await daemon.destination("dead.test")
                    return row.breaker == .open && row.delivering == 0 ? row : nil
                }
                // What comes now is due, and waits with the rest.
                try await scene.send(
                    TestMail.many(5, prefix: "n", domain: "dead.test"), to: daemon.port)
                let later = try await daemon.destination("dead.test")
                #expect(later.why.kind == "breaker" && later.failures == open.failures)
                let spent = try await attempts("dead.test").reduce(0, +)
                #expect(spent == (try await daemon.totals()).deferred)

                let worker = try await daemon.control.workers().rows[0]
                kill(pid_t(try #require(worker.pid)), SIGKILL)
                let row = try await eventually("nobody has it") {
                    let row = try await daemon.destination("slow.test")
                    return row.why.text == "worker 1 is restarting" ? row : nil
                }
                #expect(row.why.kind == "worker" && row.worker == nil)
                #expect(row.why.until != nil && row.why.detail?.worker == 1)
                try await scene.send(TestMail("new", to: "new@slow.test"), to: daemon.port)
                #expect(try await attempts("slow.test") == [0, 0, 0, 0, 0])
                #expect(try await attempts("dead.test").reduce(0, +) == spent)
                let mail = try await daemon.control.messages(filter: "domain = dead.test").rows
                #expect(mail.allSatisfy { $0.waits.contains { $0.kind == "breaker" } })
                #expect(receiver.statistics.messages == 1)
                // What its last owner knew is shown while nobody has it.
                let orphan = try await daemon.destination("dead.test")
                #expect(orphan.state == .backoff && orphan.breaker == .open)
                #expect(orphan.breakerUntil != nil && orphan.failures == open.failures)
                #expect(row.tokens.map { $0 < 1 } == true)
            }
        }

        /// `sluice show` and the API name the rule, also after a restart.
        @Test func theRuleIsShown() async throws {
            try await withScene { scene in
                let full = try await scene.receiver("full", .fullMailboxes(share: 1))
                var settings = DaemonSettings()
                settings.routes = ["*": full.route]
                settings.retry = ["first = \"1h\"", "cap = \"2h\""]
                settings.more = """
                    [[rules]]
                    name = "patience"
                    match = "a.test"
                    enhanced = "4.2.2"
                    action = "recipient"
                    """
                settings.groupBy = "domain"
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "user@a.test"), to: daemon.port)
                try await scene.send(TestMail("n", to: "user@b.test"), to: daemon.port)
                func show(_ id: String, _ options: String...) async throws -> String {
                    try await Program.run(
                        try Program.sluice, ["show", id] + options,
                        environment: ["SLUICE_SOCKET": daemon.socket]
                    ).output
                }
                func row(_ domain: String) async throws -> MessageRow {
                    let found = try await eventually("it was tried") {
                        try await daemon.control.messages(
                            filter: "domain = \(domain) and attempts = 1"
                        ).rows.first
                    }
                    return try #require(
                        try await daemon.control.message(found.message).deliveries.first)
                }
                let ours = try await row("a.test")
                #expect(ours.lastRule == "patience")
                #expect(try await row("b.test").lastRule == nil)
                let text = try await show(ours.message)
                #expect(text.contains("  rule        patience"), "\(text)")
                #expect(text.contains("Mailbox full (rule patience)"), "\(text)")
                let json = try await show(ours.id, "--json")
                #expect(json.contains("\"lastRule\""), "\(json)")
                #expect(json.contains("\"rule\""), "\(json)")
                let destination = try await show("a.test")
                #expect(destination.contains("rule          patience"), "\(destination)")
                let other = try await show("b.test")
                #expect(other.contains("rule          none; by its codes and words"), "\(other)")
                try await daemon.end(SIGKILL)
                try await daemon.start()
                #expect(try await row("a.test").lastRule == "patience")
                #expect(try await show(ours.message).contains("  rule        patience"))
            }
        }

        /// All mistakes in one run, each in its line, and a daemon that runs goes on as it was.
        @Test func mistakesAreRefused() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.limits = ["concurrency = 4"]
                let daemon = try await scene.daemon(settings)
                try await scene.send(TestMail("m", to: "user@rcpt.test"), to: daemon.port)
                try await receiver.takes(1)
                settings.limits = ["concurrency = 0", "rate = \"0/s\"", "brust = 5"]
                settings.retry = ["schedule = \"1m,5x*2\"", "full_cap = \"1s\""]
                settings.more = """
                    [[rules]]
                    name = "one"
                    code = "421"
                    action = "full"
                    [[rules]]
                    code = 421
                    action = "bounce"
                    [[rules]]
                    text = "a(b"
                    action = "none"
                    """
                try daemon.configure(settings)
                let check = try await Program.run(
                    try Program.sluiced, ["check", "--config", daemon.configuration])
                #expect(check.status == 1)
                let lines = contents(daemon.configuration).split(
                    separator: "\n", omittingEmptySubsequences: false)
                for (text, complaint) in [
                    ("concurrency = 0", "found the number 0"), ("rate = \"0/s\"", "found \"0/s\""),
                    ("brust = 5", "did you mean \"burst\"?"),
                    ("schedule = ", "expected waits such as"), ("full_cap = ", "is above full_cap"),
                    ("action = \"bounce\"", "contradicts \"one\" in line"),
                    ("text = \"a(b\"", "not a usable regular expression"),
                ] {
                    let line = try #require(lines.firstIndex { $0.hasPrefix(text) }) + 1
                    #expect(
                        check.errors.split(separator: "\n").contains {
                            $0.hasPrefix("\(daemon.configuration):\(line): ")
                                && $0.contains(complaint)
                        }, "\(text), line \(line): \(check.errors)")
                }
                let reload = try await Program.run(
                    try Program.sluice, ["reload"],
                    environment: ["SLUICE_SOCKET": daemon.socket])
                #expect(reload.status == 1 && reload.errors.contains("concurrency"), "\(reload)")
                #expect(reload.errors.contains("contradicts"), "\(reload)")
                try await scene.send(TestMail("n", to: "user@rcpt.test"), to: daemon.port)
                try await receiver.takes(2)
                #expect(try await daemon.destination("rcpt.test").limit == 4)
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
