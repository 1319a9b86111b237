import Control
import Mail
import Settings
import Terminal

@testable import Monitor

/// A daemon's answers that are the same in every run.
enum Fixture {
    /// 2026-01-02 03:04:05 UTC.
    static let now = UnixTime(milliseconds: 1_767_323_045_000)

    static func after(_ seconds: Double) -> UnixTime {
        UnixTime(seconds: now.seconds + seconds)
    }

    static func moment(_ elapsed: Duration = .zero) -> Moment {
        Moment(elapsed: elapsed, wall: now + elapsed)
    }

    static let history = (0..<30).map { ($0 * 7) % 11 }

    static func row(_ id: Int, _ name: String, _ state: DestinationState) -> DestinationRow {
        var row = DestinationRow(id: "\(id)", key: UInt32(id) &* 2_654_435_761, name: name)
        row.state = state
        row.domains = [name, "second.\(name)"]
        row.exchangers = ["mx1.\(name) [192.0.2.\(id % 250)]:25", "mx2.\(name) [198.51.100.1]:25"]
        row.queued = max(0, 15_000 / id)
        row.ready = row.queued / 2
        row.delayed = row.queued - row.ready
        row.limit = 20
        row.window = 20 - id % 15
        row.tokens = Double(id % 7) * 3
        row.burst = 20
        row.rate = 5
        row.worker = id % 2 + 1
        row.oldestAt = after(Double(-id * id * 30))
        row.attempts = 1000 + id
        row.delivered = 900
        switch state {
        case .delivering:
            row.connections = row.window / 2
            row.delivering = row.connections
            row.history = history
            row.deliveredPerSecond = Double(300 / id)
        case .waiting:
            row.connections = row.window
            row.tokens = 0
            row.history = history
            row.deliveredPerSecond = 4.8
            row.why = Why(
                kind: "tokens", text: "tokens 0/20, next in 1.4 s at 5/s", until: after(1.4))
            row.lastReply = "250 2.0.0 Ok: queued as 4711"
            row.lastReplyAt = after(-1)
        case .backoff:
            row.window = 1
            row.breaker = .open
            row.breakerUntil = after(Double(id * 61))
            row.failures = 3
            row.nextAttemptAt = row.breakerUntil
            row.why = Why(
                kind: "breaker", text: "backing off after 3 failures", until: row.breakerUntil)
            row.lastReply = "421 4.7.28 Our system has detected an unusual rate of mail"
            row.lastReplyAt = after(-42)
        case .probing:
            row.connections = 1
            row.window = 1
            row.breaker = .halfOpen
            row.failures = 4
            row.why = Why(kind: "probing", text: "one probe is out")
        case .paused:
            row.pausedBy = "alice"
            row.why = Why(kind: "paused", text: "paused by alice: complaint #4711")
        case .scheduled:
            row.nextAttemptAt = after(7500)
            row.tokens = nil
            row.burst = nil
            row.rate = nil
            row.why = Why(
                kind: "schedule", text: "every delivery waits for its time",
                until: row.nextAttemptAt)
            row.lastReply = "450 4.2.0 Greylisted, try again later"
            row.lastReplyAt = after(-300)
        case .idle:
            row.queued = 0
            row.ready = 0
            row.delayed = 0
            row.oldestAt = nil
        }
        return row
    }

    static let rows: [DestinationRow] = {
        let states = DestinationState.allCases
        let names = [
            "gmail.example", "outlook.example +41", "yahoo.example", "icloud.example",
            "mail.protection.longname.example", "xn--bcher-kva.example", "bücher.example",
        ]
        return (1...100).map { id in
            row(
                id, id <= names.count ? names[id - 1] : "host\(id).example",
                id % 3 == 1 ? .delivering : states[id % states.count])
        }
    }()

    static func status(at: UnixTime = now, mayOperate: Bool = true) -> Status {
        var totals = Totals()
        totals.messages = 64_000
        totals.deliveries = 64_805
        totals.delivering = 263
        totals.ready = 12_000
        totals.delayed = 21_601
        totals.backoff = 3
        totals.paused = 1
        totals.connections = 263
        totals.destinations = rows.count
        var rates = Rates()
        rates.accepted = 812
        rates.delivered = 798.4
        rates.deferred = 14.2
        rates.bounced = 0.2
        rates.history = (0..<60).map { 700 + ($0 * 37) % 200 }
        var first = WorkerRow(id: 1, state: .running)
        first.pid = 4711
        first.connections = 140
        first.deliveredPerSecond = 410
        first.cpu = 0.38
        first.memory = 34_200_000
        first.destinations = 50
        first.restarts = 1
        first.startedAt = after(-86_400)
        first.heartbeatAt = after(-1)
        first.queued = 3200
        first.share = 1
        var second = WorkerRow(id: 2, state: .dead)
        second.restartAt = after(3)
        var status = Status(
            at: at, hostname: "mta1.example.net", pid: 4700,
            startedAt: after(-273_132), totals: totals, rates: rates, workers: [first, second],
            mayOperate: mayOperate)
        if !mayOperate { status.mayNotOperateBecause = "uid 1000 is not in the group sluice" }
        return status
    }

    /// A cluster in which much happens at a time.
    static let nodes: [NodeRow] = [
        NodeRow(
            name: "mta1", state: .live, isSelf: true, workers: 2, has: 0.42, share: 0.5,
            seenSeconds: 1, leaseSeconds: 10),
        NodeRow(
            name: "mta2", state: .live, isSelf: false, workers: 2, has: 0.5, share: 0.5,
            seenSeconds: 2, leaseSeconds: 10),
        NodeRow(
            name: "mta3", state: .live, isSelf: false, workers: 1, has: 0, share: 0,
            seenSeconds: 9, leaseSeconds: 10),
        NodeRow(
            name: "mta4", state: .draining, isSelf: false, workers: 1, has: 0.05, share: 0,
            seenSeconds: 1, leaseSeconds: 10),
        NodeRow(
            name: "mta5", state: .draining, isSelf: false, workers: 1, has: 0, share: 0,
            seenSeconds: 1, leaseSeconds: 10),
        NodeRow(
            name: "mta6", state: .gone, isSelf: false, workers: 4, has: 0.03, share: 0,
            seenSeconds: 17, leaseSeconds: 10),
    ]

    static func snapshot(
        _ request: FetchRequest, rows: [DestinationRow] = rows, at: UnixTime = now,
        nodes: [NodeRow]? = nil
    ) -> Snapshot {
        var status = status(at: at)
        status.nodes = nodes
        return Snapshot(
            status: status,
            answer: request.question.map { answer(to: $0, rows: rows, at: at) })
    }

    /// A minute of it, a moment a second.
    static let span = after(-60)...now

    static func recollection(
        _ time: PastTime, _ request: FetchRequest, nodes: [NodeRow]? = nil
    ) -> Recollection {
        let wanted =
            switch time {
            case .at(let time): time
            case .step(let from, let count): from + .seconds(count)
            }
        let at = min(max(wanted, span.lowerBound), span.upperBound)
        let question = request.question.flatMap { question -> Question? in
            if case .body = question { nil } else { question }
        }
        var status = status(at: at)
        status.nodes = nodes
        return Recollection(
            status: status,
            answer: question.map { ($0, answer(to: $0, rows: rows, at: at)) }, span: span)
    }

    private static func answer(
        to question: Question, rows: [DestinationRow], at: UnixTime
    ) -> Answer {
        switch question {
        case .destinations(_, let window):
            let place = rows.firstIndex { $0.id == window.around }
            let offset = place.map { max(0, $0 - window.limit / 2) } ?? window.offset
            let shown = Array(rows.dropFirst(offset).prefix(window.limit))
            return .destinations(Page(at: at, total: rows.count, offset: offset, rows: shown))
        case .destination(let id):
            return .destination(rows.first { $0.id == id }.map { detail($0, at: at) })
        case .log: return .log(events.map { .event($0) })
        case .body(let id):
            return .body(
                MessageBody(
                    id: id, lines: ["Hello Bob,", "", "this is it.", ">From here on"],
                    bytesLeft: 1200))
        case .ages: return .ages(ages)
        case .schedule: return .schedule(schedule)
        case .messages(_, let window):
            let shown = Array(messages.dropFirst(window.offset).prefix(window.limit))
            return .messages(
                Page(at: at, total: messages.count, offset: window.offset, rows: shown))
        case .message(let id): return .message(message(id))
        case .actions(let window):
            return .actions(
                Page(
                    at: at, total: actions.count, offset: 0,
                    rows: Array(actions.prefix(window.offset + window.limit))))
        }
    }

    static let messages: [MessageRow] = (0..<100).map { index in
        let states = DeliveryState.allCases
        var row = MessageRow(
            id: "1a\(index).0", message: "1a\(index)",
            sender: index % 9 == 4 ? "" : "news+\(index)@shop.example",
            recipients: (0...(index % 3)).map { "user\(index + $0)@gmail.example" },
            domain: "gmail.example", size: 900 * (index + 1) * (index + 1),
            receivedAt: after(Double(-40 * index * index)), expiresAt: after(400_000),
            state: states[index % states.count], attempts: index % 5,
            why: Why(kind: "tokens", text: "0 of 20 tokens, next in 1.4 s"))
        row.destination = "1"
        row.destinationName = "gmail.example"
        row.worker = 1
        row.node = index % 2 == 0 ? "mta2" : "mta1"
        if row.state == .delayed {
            row.nextAttemptAt = after(Double(7 * index * index))
            row.lastReply = "450 4.2.0 <user\(index)@gmail.example>: Greylisted, try again later"
            row.why = Why(
                kind: "schedule", text: "retries after \(row.lastReply ?? "")",
                until: row.nextAttemptAt)
        }
        if row.state == .purging { row.purgeAt = after(22) }
        return row
    }

    static func detail(_ row: DestinationRow, at: UnixTime) -> DestinationDetail {
        var detail = DestinationDetail(at: at, row: row)
        let phases = ["RCPT", "dot", "idle", "connecting"]
        detail.connections = (0..<min(row.connections, 6)).map { index in
            ConnectionRow(
                number: 40 + index, remote: "mx1.gmail.example [192.0.2.1]",
                phase: phases[index % 4], since: after(Double(-index * index * 4)),
                openedAt: after(-90), delivery: index % 4 == 2 ? nil : "1a\(index).0",
                tls: index % 4 == 3 ? nil : "TLSv1.3", transactions: index)
        }
        detail.contacts = [
            ContactRow(
                remote: "mx1.gmail.example [192.0.2.1]", at: now, tls: "TLSv1.3", problem: nil),
            ContactRow(
                remote: "mx2.gmail.example [198.51.100.1]", at: after(-300), tls: nil,
                problem: "Connection refused"),
        ]
        detail.due = messages.filter { $0.state == .delayed }.prefix(4).map(\.self)
        detail.replies = [
            ReplyCount(reply: "250 2.0.0 Ok: queued as 4711", count: 12_408, lastAt: after(-1)),
            ReplyCount(reply: "450 4.2.0 Greylisted", count: 31, lastAt: after(-140)),
            ReplyCount(reply: "550 5.1.1 No such user", count: 2, lastAt: after(-1800)),
        ]
        detail.breakerChanges = [
            BreakerChange(at: after(-600), state: .closed, reason: ""),
            BreakerChange(at: after(-900), state: .open, reason: "421 4.7.28 Too much mail"),
        ]
        detail.minutes = (0..<60).filter { $0 % 7 != 3 }.map { index in
            MinuteRow(
                at: after(Double(60 * (index - 59))), delivered: (index * 37) % 211,
                deferred: index % 13, bounced: 0, connections: 3 + index % 5, window: 4 + index / 6,
                tokens: (index * 7) % 20)
        }
        return detail
    }

    static let ages: AgeMap = {
        let rows = (0..<40).map { index in
            AgeRow(
                id: "\(index + 1)", name: "host\(index).example",
                state: DestinationState.allCases[index % 7],
                counts: (0..<AgeBuckets.count).map { bucket in
                    bucket < 3 || bucket > 13 ? 0 : (index * 31 + bucket * 17) % 40 * (40 - index)
                })
        }
        let totals = (0..<AgeBuckets.count).map { bucket in
            rows.reduce(0) { $0 + $1.counts[bucket] }
        }
        return AgeMap(
            at: now, countedAt: after(-7), bounds: AgeBuckets.bounds, totals: totals,
            destinations: 120, rows: rows)
    }()

    static let schedule: Schedule = {
        var schedule = Schedule(at: now, countedAt: after(-7))
        schedule.ready.deliveries = 1240
        schedule.ready.destinations = 3
        for index in schedule.due.indices {
            schedule.due[index].deliveries = index == 3 ? 0 : 4000 / (index + 1)
            schedule.due[index].destinations = index == 3 ? 0 : 12 - index
        }
        schedule.held = 7
        schedule.paused.deliveries = 1071
        schedule.paused.destinations = 1
        schedule.openBreakers = 3
        schedule.probes = (1...3).map {
            ProbeRow(
                id: "\($0)", name: "host\($0).example", at: after(Double(17 * $0)), queued: 40 * $0,
                failures: $0, lastReply: "421 4.7.28 Too much mail")
        }
        schedule.expiresInHour = 4
        schedule.expiresInDay = 120
        schedule.expiring = (1...2).map {
            ExpiringRow(
                id: "\($0)", name: "full\($0).example", inHour: 4 * ($0 - 1), inDay: 60,
                firstAt: after(Double(1800 * $0)))
        }
        return schedule
    }()

    static let actions: [ActionRow] = (0..<12).map { index in
        let kinds = ActionKind.allCases
        let states: [ActionState] = [.undoable, .done, .undone, .failed]
        var counts = Counts()
        counts.deliveries = 1240 * index
        counts.destinations = index
        return ActionRow(
            id: "\(40 - index)", action: kinds[index % kinds.count],
            at: after(Double(-index * index * 900)), by: "alice (uid 1000)",
            reason: index % 2 == 0 ? "ticket \(4711 + index)" : "", target: "gmail.example",
            counts: counts, state: states[index % states.count],
            undoUntil: index == 0 ? after(22) : nil,
            result: "\(1240 * index) deliveries; 3 had left the queue")
    }

    static let events: [Event] = (0..<40).map { index in
        let kinds = [
            "accepted", "delivered", "deferred", "bounced", "breaker", "worker", "action", "spool",
        ]
        return Event(
            at: after(Double(index - 40)), kind: kinds[index % kinds.count],
            text: "1a\(index).0 to gmail.example: 250 2.0.0 Ok: queued as 4711",
            message: index % 8 == 1 ? "1a\(index)" : nil, destination: "1", worker: 1)
    }

    static let trace: [TraceLine] = (0..<30).map { index in
        let lines = [
            ("*", "connected to mx1.gmail.example [192.0.2.1]"),
            ("<", "220 mx1.gmail.example ESMTP"), (">", "EHLO mta1.example.net"),
            ("<", "250-mx1.gmail.example"), (">", "MAIL FROM:<news@shop.example> SIZE=4096"),
            ("<", "450 4.2.0 Greylisted"), ("<", "550 5.1.1 No such user"),
        ]
        let (direction, text) = lines[index % lines.count]
        return TraceLine(
            at: after(Double(index - 30)), destination: "1", worker: 1, connection: 7 + index / 7,
            direction: direction, text: text, dropped: index == 14 ? 12 : 0)
    }

    static func message(_ id: String) -> MessageDetail? {
        guard let row = messages.first(where: { $0.message == id }) else { return nil }
        var other = row
        other.id = "\(id).1"
        other.recipients = ["eve@yahoo.example"]
        other.destination = "3"
        other.destinationName = "yahoo.example"
        other.attempts = 30
        return MessageDetail(
            at: now, id: id, sender: row.sender, size: row.size, receivedAt: row.receivedAt,
            expiresAt: row.expiresAt, client: "app1.example.net [192.0.2.7]",
            deliveries: [row, other],
            recipients: (row.recipients + other.recipients).map {
                RecipientRow(address: $0, state: "queued", lastReply: row.lastReply)
            },
            history: (1...3).map { number in
                AttemptRow(
                    delivery: row.id, number: number, at: after(Double(-900 * (4 - number))),
                    seconds: number == 2 ? 61.5 : 0.4, remote: "mx1.gmail.example [192.0.2.1]",
                    tls: "TLSv1.3", worker: 1, reply: "450 4.2.0 Greylisted, try again later")
            }
                + [(1, 9000), (29, 900), (29, 600), (30, 90)].map { number, seconds in
                    AttemptRow(
                        delivery: other.id, number: number, at: after(-seconds), seconds: 1.25,
                        remote: nil, tls: nil, worker: 2, reply: "4.4.1 Connection timed out")
                },
            header: """
                Received: from app1.example.net (app1.example.net [192.0.2.7])\r
                \tby mta1.example.net with ESMTP id \(id)\r
                From: =?utf-8?Q?B=C3=BCcher?= <\(row.sender)>\r
                Subject: =?utf-8?B?SGFsbG8gV2VsdA==?= 1\r

                """)
    }

    static func plan(_ request: PlanRequest, deliveries: Int = 1240) -> Plan {
        var counts = Counts()
        counts.destinations = request.selector.destinations.count
        counts.deliveries = deliveries
        counts.messages = deliveries - 60
        counts.recipients = deliveries + 60
        counts.bytes = deliveries * 24_000
        var plan = Plan(
            id: "p1", request: request, at: now, expiresAt: after(60), counts: counts,
            effect: "Makes \(deliveries) deliveries due now; limits still hold.")
        plan.notes = ["3 are held and stay held"]
        plan.oldestAt = after(-15_000)
        plan.drainSeconds = 248
        plan.topSenders = [
            NamedCount(name: "news@shop.example", count: 812), NamedCount(name: "", count: 30),
        ]
        plan.topDomains = [NamedCount(name: "gmail.example", count: 1100)]
        plan.samples = (0..<3).map { index in
            MessageRow(
                id: "1a2\(index).0", message: "1a2\(index)", sender: "news@shop.example",
                recipients: ["bob@gmail.example", "eve@gmail.example"], domain: "gmail.example",
                size: 24_000, receivedAt: after(-400), expiresAt: after(400_000),
                state: .delayed, attempts: 2, why: Why(kind: "tokens", text: "tokens"))
        }
        if request.action == .purge {
            plan.undoSeconds = 30
            plan.mustTypeCount = true
            plan.effect = "Deletes \(deliveries) deliveries after 30 s in which it can be undone."
        }
        return plan
    }

    static func action(_ kind: ActionKind, undoFor seconds: Double? = nil) -> ActionRow {
        ActionRow(
            id: "a7", action: kind, at: now, by: "root (uid 0)", reason: "", target: "gmail",
            counts: Counts(), state: seconds == nil ? .done : .undoable,
            undoUntil: seconds.map(after), result: "1,240 deliveries; 3 had left the queue.")
    }

    /// Read once: there are many screens.
    private static let theme = Result { try ThemeFinder(folders: []).theme(named: nil) }

    static func look(_ depth: ColorDepth = .full, unicode: Bool = true) throws -> Look {
        Look(
            theme: try theme.get(),
            capabilities: Capabilities(depth: depth, unicode: unicode))
    }
}

/// A model, what it asked for, and a daemon that answers at once.
struct Session {
    var model: Model
    var rows = Fixture.rows
    /// nil: the daemon is no cluster's.
    var nodes: [NodeRow]?
    var elapsed = Duration.zero
    /// What was asked for and not answered yet.
    var pending: [Effect] = []
    /// Everything that was ever asked for.
    var effects: [Effect] = []

    init(columns: Int = 80, rows: Int = 24, options: Model.Options = Model.Options()) {
        model = Model(
            options: options, size: Size(columns: columns, rows: rows), moment: Fixture.moment())
    }

    /// With the first data on the screen.
    static func ready(
        columns: Int = 80, rows: Int = 24, options: Model.Options = Model.Options(),
        nodes: [NodeRow]? = nil
    ) -> Session {
        var session = Session(columns: columns, rows: rows, options: options)
        session.nodes = nodes
        session.tick()
        session.answer()
        return session
    }

    mutating func send(_ event: ModelEvent) {
        let new = update(&model, event, at: Fixture.moment(elapsed))
        // What is asked for the past only has no answer that the model waits for.
        pending += new.filter { if case .sample = $0 { false } else { true } }
        effects += new
    }

    mutating func tick(_ seconds: Int = 0) {
        elapsed += .seconds(seconds)
        send(.tick)
    }

    mutating func press(_ keys: Key...) {
        for key in keys { send(.key(key)) }
    }

    mutating func type(_ text: String) {
        for character in text { send(.key(.character(character))) }
    }

    /// Answers all fetches, as they were asked, at the daemon's time.
    mutating func answer(with failure: Failure? = nil) {
        while let index = pending.firstIndex(where: { if case .fetch = $0 { true } else { false } })
        {
            guard case .fetch(let request) = pending.remove(at: index) else { return }
            if let failure {
                send(.fetched(request, .failure(failure)))
            } else if let past = request.past {
                let recollection = Fixture.recollection(past, request, nodes: nodes)
                send(.fetched(request, .success(Snapshot(recollection))))
            } else {
                let snapshot = Fixture.snapshot(
                    request, rows: rows, at: Fixture.now + elapsed, nodes: nodes)
                send(.fetched(request, .success(snapshot)))
            }
        }
    }

    /// Gives what is followed to the page that follows it.
    mutating func stream(_ items: [StreamItem]) {
        guard let followed = model.followed else { return }
        send(.streamed(ticket: followed.request.ticket, .items(items)))
    }

    /// The last plan that was asked for.
    var planned: (ticket: Int, request: PlanRequest)? {
        for effect in effects.reversed() {
            if case .plan(let ticket, let request) = effect { return (ticket, request) }
        }
        return nil
    }

    var applied: (ticket: Int, plan: String, request: ApplyRequest)? {
        for effect in effects.reversed() {
            if case .apply(let ticket, let plan, let request) = effect {
                return (ticket, plan, request)
            }
        }
        return nil
    }

    var preview: Preview? {
        if case .preview(let preview)? = model.overlay { return preview }
        return nil
    }

    mutating func answerPlan(deliveries: Int = 1240) {
        guard let planned else { return }
        send(
            .planned(
                ticket: planned.ticket,
                .success(Fixture.plan(planned.request, deliveries: deliveries))))
    }

    func screen(_ depth: ColorDepth = .full, unicode: Bool = true) throws -> Grid {
        render(model, size: model.size, look: try Fixture.look(depth, unicode: unicode))
    }
}
