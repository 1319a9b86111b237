import Commands
import Control
import Filter
import Mail
import Testing

@Suite struct OverviewTests {
    private func overview(_ rows: [DestinationRow], at: UnixTime = .start) async throws
        -> OverviewDocument
    {
        var document = try await Overview.read(FakeAPI(rows: rows))
        document.status.at = at
        return document
    }

    @Test func changesOnly() async throws {
        var busy = DestinationRow(id: "1", key: 1, name: "a.example")
        busy.state = .delivering
        busy.queued = 3
        busy.worker = 1
        let idle = DestinationRow(id: "2", key: 2, name: "b.example")
        var overview = Overview()
        let first = overview.changes(try await self.overview([busy, idle])) { _ in 0 }
        #expect(first.count == 2)
        #expect(first[1] == "22:33:20 a.example: delivering, 3 queued, worker 1")
        busy.queued = 2
        let second = overview.changes(try await self.overview([busy, idle])) { _ in 0 }
        #expect(second == [])
        busy.state = .backoff
        busy.why = Why(kind: "breaker", text: "until\u{1B} 22:40")
        busy.lastReply = "421 no"
        let third = overview.changes(try await self.overview([busy, idle])) { _ in 0 }
        #expect(
            third.last
                == "22:33:20 a.example: backoff (until␛ 22:40), 2 queued, worker 1, "
                + "last reply: 421 no")
    }

    @Test func once() async throws {
        let recorder = Recorder()
        Overview.print(
            try await overview([DestinationRow(id: "1", key: 1, name: "a.example")]),
            recorder.console())
        #expect(recorder.text.hasPrefix("sluiced on mta.example, pid 7, up 0s\nqueue "))
        #expect(recorder.text.contains("a.example"))
    }

    @Test func statusSaysWhatIsWrong() async throws {
        var status = try await FakeAPI().status()
        status.spoolError = "disk\nfull"
        status.mayOperate = false
        status.mayNotOperateBecause = "not in group sluice"
        let lines = StatusText.lines(status)
        #expect(lines[1] == "SPOOL CANNOT RECORD: disk␊full; intake and delivery wait")
        #expect(lines.last == "you may look, not act: not in group sluice")
        status.spoolError = nil
        status.intakeError = "the disk of the spool is nearly full"
        #expect(
            StatusText.lines(status)[1]
                == "NO MAIL IS TAKEN IN: the disk of the spool is nearly full; delivery goes on")
        #expect(StatusText.summary(status).hasSuffix("; NO MAIL IS TAKEN IN"))
    }

    @Test func queries() throws {
        let query = try RowQuery(
            filter: "Age>1h", sort: "-Queued", limit: 5, fields: .destinations)
        #expect(query.filter == "age > 1h" && query.sort == "queued" && query.descending)
        for (filter, sort, limit) in [("age >", nil, 1), (nil, "nope", 1), (nil, nil, 0)] {
            let failure = #expect(throws: CommandFailure.self) {
                try RowQuery(filter: filter, sort: sort, limit: limit, fields: .messages)
            }
            #expect(failure?.status == ExitStatus.usage)
        }
    }

    @Test func details() {
        var row = DestinationRow(id: "1", key: 0xAB, name: "a.example")
        row.lastReply = "550\r\nno"
        row.tokens = 2
        row.burst = 5
        row.rate = 1
        let lines = DetailText.lines(row, now: .start) { _ in 0 }
        #expect(lines.contains("last reply    550␍␊no"))
        #expect(lines.contains("tokens        2 of 5, filled at 1/s"))
        #expect(lines.contains("key           000000ab"))
        let message = MessageDetail(
            at: .start, id: "1a", sender: "", size: 10, receivedAt: .start, expiresAt: .start,
            client: "127.0.0.1", deliveries: [.sample("1a.0")], recipients: [],
            header: "Subject: \u{1B}x\r\nTo: y\r\n")
        let text = DetailText.lines(message, now: .start) { _ in 0 }
        #expect(text.contains("sender        <>"))
        #expect(text.suffix(2) == ["| Subject: ␛x", "| To: y"])
    }

    /// Everything that mail waits for, with the time that it still lasts.
    @Test func reasons() {
        var row = DestinationRow(id: "1", key: 1, name: "a.example")
        row.state = .backoff
        row.waits = [
            Why(
                kind: "breaker", text: "backing off after 421 4.7.28 slow\u{1B}",
                until: .start + .seconds(200)),
            Why(
                kind: "schedule", text: "12 wait for their retry time", until: .start + .seconds(90)
            ),
        ]
        row.why = row.waits[0]
        row.drainSeconds = 248
        row.drainPerSecond = 5
        row.learnedRate = 4.5
        row.learnedConnectionRate = 1.5
        let lines = DetailText.lines(row, now: .start) { _ in 0 }
        #expect(
            lines[1]
                == "state         backoff: backing off after 421 4.7.28 slow␛, probe in 3 min 20 s")
        #expect(lines[2] == "also          12 wait for their retry time, in 1 min 30 s")
        #expect(lines.contains("drains        in about 4m8s at 5/s"))
        #expect(lines.contains("learned rate  the receiver bears 4.5/s"))
    }

    @Test func sockets() {
        #expect(SocketPath.resolve(option: "a", environment: "b") == "a")
        #expect(SocketPath.resolve(option: nil, environment: "b") == "b")
        #expect(SocketPath.resolve(option: "", environment: "") == SocketPath.standard)
    }

    @Test func events() {
        let event = Event(at: .start, kind: "breaker", text: "opened\u{7}")
        #expect(EventText.line(event) { _ in 0 } == "22:33:20 breaker   opened␇")
        let line = TraceLine(
            at: .start, destination: "1", worker: 2, connection: 3, direction: "<",
            text: "250 ok\r\n", dropped: 1200)
        #expect(
            EventText.lines(line) { _ in 0 } == [
                "22:33:20 … 1,200 lines left out: too slow a reader",
                "22:33:20 2:3 < 250 ok␍␊",
            ])
    }
}
