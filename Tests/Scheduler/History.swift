import Mail

@testable import Scheduler

/// A random history of a scheduler beside a simple model of what must hold; differences are
/// collected as problems.
struct History {
    private struct Delivery {
        var entry: Entry
        var isRunning = false
        var started = Instant(nanoseconds: 0)
        /// May start before its due time: by retry now, or since then by a success.
        var early: Instant?
    }

    /// The most that was taken at once from a bucket that fills at a rate: in any interval no more
    /// than burst + rate·t were, if and only if this never exceeds the burst.
    private struct Level {
        private var level = 0.0
        private var at = Instant(nanoseconds: 0)

        mutating func take(_ rate: Rate, at now: Instant) -> Double {
            level = max(0, level - (now - at).inSeconds * rate.perSecond) + 1
            at = now
            return level
        }
    }

    private(set) var scheduler: Scheduler
    private(set) var now = Instant(nanoseconds: 3_600_000_000_000)
    private(set) var problems: [String] = []
    /// Everything that was decided.
    private(set) var log: [String] = []
    private(set) var policies: [DestinationID: DestinationPolicy] = [:]
    let destinations = (1...4).map { DestinationID(rawValue: $0) }

    private var random: SplitMix64
    private var queued: [DeliveryID: Delivery] = [:]
    private var running: [Start] = []
    private var idle: [DestinationID: Int] = [:]
    private var paused: [DestinationID: Instant] = [:]
    private var starts: [DestinationID: Level] = [:]
    private var opens: [DestinationID: Level] = [:]
    /// Until when a rule has them left alone.
    private var suspended: [DestinationID: Instant] = [:]
    /// On their way to another worker, with what they take along.
    private var away: [DestinationID: [UInt8]] = [:]
    private var isRecording = true
    private var lastMessage: Int64 = 0
    /// Connections that are being closed, and how many of all kinds there may be.
    private var leaving: [DestinationID] = []
    private let capacity: Int
    private var isEnding = false

    init(seed: UInt64) {
        random = SplitMix64(seed: seed &* 0x9E37_79B9 &+ 17)
        scheduler = Scheduler(seed: seed)
        // In half of the histories connections are scarce.
        capacity = seed % 2 == 0 ? .max : 2 + Int(seed / 2 % 6)
        scheduler.setCapacity(capacity)
        for id in destinations { add(id) }
    }

    private mutating func pick(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }

    private mutating func check(_ holds: Bool, _ problem: @autoclosure () -> String) {
        if !holds { problems.append(problem()) }
    }

    // MARK: Steps

    mutating func run(steps: Int) {
        for _ in 0..<steps {
            step()
            poll()
            audit()
        }
    }

    private mutating func step() {
        let id = destinations[pick(0...3)]
        for id in destinations where !isHere(id) && pick(0...2) == 0 { comeBack(id) }
        switch pick(0...99) {
        case 0..<25: for _ in 0..<pick(1...8) { enqueue(to: id) }
        case 25..<55: for _ in 0..<pick(1...5) where !running.isEmpty { finishOne() }
        case 55..<75: pass(.milliseconds(pick(1...5000)))
        case 75..<82: pass(.seconds(pick(10...1500)))
        case 82: pass(.seconds(pick(3600...86_400)))
        case 83..<85:
            let until = Bool.random(using: &random) ? now + .seconds(pick(1...600)) : nil
            scheduler.pause(id, until: until, by: "ann", reason: "", at: now)
            if isHere(id) { paused[id] = until ?? .distantFuture }
        case 85..<87:
            scheduler.resume(id, at: now)
            paused[id] = nil
        case 87: retryNow(id)
        case 88: retryNow(some: id)
        case 89..<91: withdraw()
        case 91:
            isRecording.toggle()
            scheduler.setRecording(isRecording, at: now)
        case 92..<94: configure(id)
        case 94..<97:
            if idle[id, default: 0] > 0 {
                if Bool.random(using: &random) {
                    leave(id)
                } else {
                    idle[id]! -= 1
                    scheduler.idleConnectionClosed(id, at: now)
                }
            }
        case 97..<99: handOver(id)
        default: log.append("changed \(scheduler.drainChanged(limit: 2))")
        }
    }

    private mutating func leave(_ id: DestinationID) {
        check(idle[id, default: 0] > 0, "no idle connection of \(id) to close")
        idle[id, default: 0] -= 1
        scheduler.idleConnectionLeaving(id, at: now)
        leaving.append(id)
    }

    private mutating func closeLeaving() {
        while !leaving.isEmpty, isEnding || pick(0...2) > 0 {
            scheduler.leavingConnectionClosed(leaving.removeFirst(), at: now)
        }
    }

    /// A destination that is not on its way.
    private func isHere(_ id: DestinationID) -> Bool { away[id] == nil }

    private mutating func pass(_ time: Duration) {
        now = now + time
    }

    private static let endless = Duration.seconds(1_000_000_000)

    private mutating func makePolicy() -> DestinationPolicy {
        let rates = [nil, "1/s", "5/min", "10/h", "100/s", "0.3/s"]
        var limits = Limits(concurrency: pick(1...9))
        limits.rate = rates[pick(0...5)].flatMap { Rate(text: $0) }
        limits.burst = Bool.random(using: &random) ? nil : Double(pick(2...12)) / 2
        limits.connectionRate = rates[pick(0...5)].flatMap { Rate(text: $0) }
        var retry = RetryPolicy()
        if pick(0...4) == 0 { retry.schedule = [.seconds(60), .seconds(300)] }
        retry.maxAge = pick(0...2) == 0 ? .seconds(pick(20...4000)) : Self.endless
        return DestinationPolicy(limits: limits, retry: retry)
    }

    private mutating func add(_ id: DestinationID, snapshot: DestinationSnapshot? = nil) {
        let policy = policies[id] ?? makePolicy()
        policies[id] = policy
        scheduler.add(id, policy: policy, snapshot: snapshot, at: now)
    }

    private mutating func configure(_ id: DestinationID) {
        configure(id, as: makePolicy())
    }

    private mutating func configure(_ id: DestinationID, as policy: DestinationPolicy) {
        let (old, new) = (policies[id]!.limits, policy.limits)
        policies[id] = policy
        scheduler.configure(id, policy: policy, at: now)
        // The bounds of a new rate are checked from here on.
        if old.rate != new.rate || old.burst != new.burst { starts[id] = nil }
        if old.connectionRate != new.connectionRate { opens[id] = nil }
        log.append("limit \(old.concurrency > new.concurrency ? "lowered" : "raised")")
    }

    private func end(of delivery: Delivery) -> Instant {
        delivery.entry.received + policies[delivery.entry.destination]!.retry.maxAge
    }

    private mutating func enqueue(to id: DestinationID) {
        lastMessage += 1
        let delivery = DeliveryID(message: MessageID(rawValue: lastMessage), ordinal: 0)
        // Now and then a clock went wrong: it comes from the future, or from long ago.
        let ages = pick(0...19) == 0 ? -90_000...90_000 : 0...9
        let isOld = pick(0...3) == 0
        let entry = Entry(
            id: delivery, destination: id,
            due: isOld ? now + .seconds(pick(-5...900)) : now,
            received: now + .seconds(-pick(ages)), attempts: isOld ? pick(0...5) : 0,
            size: pick(100...200_000), sender: UInt32(pick(1...5)), priority: UInt8(pick(0...2)),
            isSuspended: isOld && pick(0...2) == 0)
        queued[delivery] = Delivery(entry: entry)
        // A success may end its wait.
        if entry.isSuspended { queued[delivery]!.early = now }
        scheduler.enqueue(entry, at: now)
        if pick(0...9) == 0 { scheduler.enqueue(entry, at: now) }
    }

    private mutating func withdraw() {
        guard lastMessage > 0 else { return }
        let message = MessageID(rawValue: Int64(pick(1...Int(lastMessage))))
        let id = DeliveryID(message: message, ordinal: 0)
        guard let delivery = queued[id] else {
            for destination in destinations {
                let found = scheduler.withdraw(id, from: destination, at: now)
                check(found == .unknown, "\(id) is gone, but \(found)")
            }
            return
        }
        guard !delivery.isRunning, isHere(delivery.entry.destination) else { return }
        let found = scheduler.withdraw(id, from: delivery.entry.destination, at: now)
        check(found == .removed, "\(id) waits, but \(found)")
        queued[id] = nil
    }

    private mutating func retryNow(some id: DestinationID) {
        guard isHere(id) else { return }
        let mine = entries(of: id).map(\.id).filter { _ in pick(0...1) == 0 }
        let waiting = mine.filter { !queued[$0]!.isRunning }
        let count = scheduler.retryNow(id, deliveries: mine, at: now)
        check(count == waiting.count, "retry some: \(count) of \(waiting.count)")
        for id in waiting { queued[id]!.early = now }
        if count > 0 { suspended[id] = nil }
        log.append("flush \(count)")
    }

    private mutating func retryNow(_ id: DestinationID) {
        guard isHere(id) else { return }
        let waiting = queued.values.filter { $0.entry.destination == id && !$0.isRunning }
        let count = scheduler.retryNow(id, deliveries: nil, at: now)
        check(count == waiting.count, "retry now: \(count) of \(waiting.count)")
        for delivery in waiting { queued[delivery.entry.id]!.early = now }
        if count > 0 { suspended[id] = nil }
    }

    /// Away and back, as when it is pinned to another worker and returns.
    private mutating func handOver(_ id: DestinationID) {
        guard isHere(id) else { return }
        let before = scheduler.status(id, at: now)!
        let isRunning = running.contains { $0.destination == id }
        guard let snapshot = scheduler.remove(id, at: now) else {
            return check(false, "\(id) is not to be removed")
        }
        check(scheduler.status(id, at: now) == nil, "still here after its removal")
        log.append("moved \(id)")
        idle[id] = 0
        leaving.removeAll { $0 == id }
        paused[id] = nil
        away[id] = snapshot.encoded
        // What runs there ends before another worker begins, unless it was to come back at once.
        guard !isRunning || pick(0...4) == 0 else { return }
        comeBack(id, evenIfRunning: true)
        guard !isRunning else { return }
        let after = scheduler.status(id, at: now)!
        let queue = (after.ready, after.delayed, after.queued)
        check(
            before.window == after.window && before.tokens == after.tokens
                && before.breaker == after.breaker && before.breakerUntil == after.breakerUntil
                && before.failures == after.failures && before.lastReply == after.lastReply
                && before.learnedRate == after.learnedRate
                && before.learnedConnectionRate == after.learnedConnectionRate,
            "moved: \(before) became \(after)")
        check(queue.2 == before.queued, "\(before.queued) went, \(queue.2) came")
    }

    private mutating func comeBack(_ id: DestinationID, evenIfRunning: Bool = false) {
        guard let bytes = away[id],
            evenIfRunning || !running.contains(where: { $0.destination == id })
        else { return }
        guard let decoded = DestinationSnapshot(decoding: bytes) else {
            return check(false, "snapshot does not decode")
        }
        away[id] = nil
        add(id, snapshot: decoded)
        for entry in entries(of: id) where !queued[entry.id]!.isRunning {
            scheduler.enqueue(entry, at: now)
        }
    }

    /// What is queued there, in the order of ids.
    func entries(of id: DestinationID) -> [Entry] {
        queued.values.map(\.entry).filter { $0.destination == id }.sorted { $0.id < $1.id }
    }

    // MARK: Starts and results

    private mutating func poll() {
        while let (id, destination) = scheduler.nextExpired(at: now) {
            log.append("expired \(id)")
            let delivery = queued.removeValue(forKey: id)
            check(
                delivery.map {
                    !$0.isRunning && $0.entry.destination == destination && end(of: $0) <= now
                } ?? false, "\(id) expired wrongly")
            check(!isEnding, "\(id) expired instead of being sent")
        }
        closeLeaving()
        while let id = scheduler.nextToYield() {
            log.append("yield \(id)")
            leave(id)
        }
        closeLeaving()
        while true {
            let before = destinations.map { scheduler.status($0, at: now) }
            let learned = destinations.map { id in
                scheduler.number(of: id).map { scheduler.destinations[$0] }
            }
            guard let start = scheduler.next(at: now) else { break }
            let place = destinations.firstIndex(of: start.destination)!
            guard let status = before[place] else {
                check(false, "\(start.destination) is on its way, and starts")
                break
            }
            if let tokens = learned[place]?.paceTokens {
                log.append("learned")
                check(tokens.available(from: now) == now, "faster than the learned rate")
            }
            if start.connection == .open, let tokens = learned[place]?.connectionPaceTokens {
                log.append("connections")
                check(tokens.available(from: now) == now, "more connections than learned")
            }
            began(start, before: status)
        }
    }

    private mutating func began(_ start: Start, before: DestinationStatus) {
        let id = start.destination
        log.append("start \(start.delivery) \(start.connection) \(start.probe) \(now)")
        check(isRecording, "started while nothing can be recorded")
        check((paused[id] ?? now) <= now, "\(id) is paused")
        check((suspended[id] ?? now) <= now, "\(id) is to be left alone")
        check(before.breaker != .open, "started while the breaker is open")
        check(start.probe == (before.breaker == .halfOpen), "probe or not?")
        check(before.running < before.window, "window \(before.window) exceeded")
        guard let delivery = queued[start.delivery] else {
            check(false, "\(start.delivery) is not queued")
            return
        }
        check(!delivery.isRunning, "\(start.delivery) runs twice")
        check(delivery.entry.destination == id, "\(start.delivery) at another destination")
        check(delivery.entry.attempts == start.attempts, "attempts changed while waiting")
        check(
            delivery.entry.due <= now || (delivery.early ?? .distantFuture) <= now,
            "\(start.delivery) started early")
        if delivery.entry.due > now { log.append("wake \(start.delivery)") }
        queued[start.delivery]!.isRunning = true
        queued[start.delivery]!.started = now
        running.append(start)

        let limits = policies[id]!.limits
        switch start.connection {
        case .reuse:
            idle[id, default: 0] -= 1
            check(idle[id]! >= 0, "no idle connection to use again")
        case .open:
            check(idle[id, default: 0] == 0, "opened one beside an idle one")
            let all = connections
            check(all <= capacity, "\(all) connections, and too many")
            if let rate = limits.connectionRate {
                let level = opens[id, default: Level()].take(rate, at: now)
                check(level <= max(1, rate.perSecond) + 1e-6, "\(level) connections at once")
            }
        }
        if let rate = limits.rate {
            let level = starts[id, default: Level()].take(rate, at: now)
            let burst = max(1, limits.burst ?? rate.perSecond)
            check(level <= burst + 1e-6, "\(level) at once of \(burst)")
        }
        let busy = running.count { $0.destination == id }
        check(busy <= limits.concurrency, "\(busy) run, limit \(limits.concurrency)")
    }

    private var connections: Int {
        destinations.reduce(0) { $0 + (scheduler.status($1, at: now)?.connections ?? 0) }
    }

    private mutating func finishOne(_ forced: AttemptResult? = nil) {
        let start = running.remove(at: pick(0...(running.count - 1)))
        let id = start.destination
        let result = forced ?? makeResult()
        let fate = Bool.random(using: &random) ? ConnectionFate.idle : .closed
        let verdict = scheduler.finished(
            start.delivery, of: id, result, connection: fate, at: now)
        log.append("\(verdict) \(start.delivery)")
        if fate == .idle, isHere(id) { idle[id, default: 0] += 1 }
        let delivery = queued[start.delivery]!
        switch (result, verdict) {
        case (.settled, .gone): queued[start.delivery] = nil
        case (.deferred, .expired):
            check(end(of: delivery) <= now, "expired early")
            queued[start.delivery] = nil
        case (.suspended(let time, _, _), .expired):
            check(end(of: delivery) <= now, "expired early")
            queued[start.delivery] = nil
            suspend(id, for: time)
        case (.suspended(let time, _, _), .retry(let due, let attempts)):
            check(end(of: delivery) > now, "should have expired")
            check(attempts == start.attempts + 1, "attempts \(start.attempts) → \(attempts)")
            check(due >= now + time, "due before the destination is")
            requeue(start.delivery, due, attempts)
            queued[start.delivery]!.early = now + policies[id]!.retry.breakerFirst
            suspend(id, for: time)
        case (.deferred(let cause, _), .retry(let due, let attempts)):
            check(end(of: delivery) > now, "should have expired")
            check(attempts == start.attempts + 1, "attempts \(start.attempts) → \(attempts)")
            check(due > now, "due at once")
            requeue(start.delivery, due, attempts)
            if cause.isDestination
                && policies[id]!.retry.schedule == nil
            {
                queued[start.delivery]!.early = now + policies[id]!.retry.breakerFirst
            }
        case (.notAttempted, .retry(let due, let attempts)):
            check(attempts == start.attempts, "counted without an attempt")
            requeue(start.delivery, due, attempts)
        default: check(false, "\(result) gave \(verdict)")
        }
    }

    private mutating func requeue(_ id: DeliveryID, _ due: Instant, _ attempts: Int) {
        queued[id]!.isRunning = false
        queued[id]!.early = nil
        queued[id]!.entry.due = due
        queued[id]!.entry.attempts = attempts
        queued[id]!.entry.isSuspended = false
    }

    private mutating func suspend(_ id: DestinationID, for time: Duration) {
        log.append("suspended \(id)")
        guard isHere(id) else { return }
        suspended[id] = max(suspended[id] ?? now, now + time)
    }

    private mutating func makeResult() -> AttemptResult {
        // In bad times most attempts fail, so that breakers open.
        let isBad = now.nanoseconds / 600_000_000_000 % 3 == 1
        return switch pick(0...(isBad ? 40 : 13)) {
        case 0...7: .settled
        case 8: .deferred(.recipient, reply: "450 4.2.0")
        case 9: .deferred(.content, reply: "451 4.6.0")
        case 10: .deferred(.handshake, reply: "")
        case 11: .notAttempted
        case 12: .deferred(.us, reply: "")
        case 13: .suspended(.seconds(pick(1...900)), reply: "421 later")
        case 14...21: .deferred(.destination, reply: "421 4.7.0")
        case 22...25: .deferred(.crowded, reply: "421 too many connections")
        case 26: .deferred(.greylisted, reply: "450 in 300 seconds")
        case 37...40: .deferred(.hurried, reply: "421 connection rate")
        case 27: .deferred(.full, reply: "452 full")
        default: .deferred(.connect, reply: "refused")
        }
    }

    // MARK: What must hold at rest

    private mutating func audit() {
        let all = Dictionary(grouping: queued.values) { $0.entry.destination }
        for id in destinations {
            guard let status = scheduler.status(id, at: now) else {
                check(!isHere(id), "\(id) is lost")
                continue
            }
            let mine = all[id] ?? []
            check(status.queued == mine.count, "\(status.queued) queued, not \(mine.count)")
            check(status.queued == status.ready + status.delayed + status.running, "counts")
            check(status.running == mine.count { $0.isRunning }, "running \(status.running)")
            check(status.idle == idle[id, default: 0], "idle \(status.idle)")
            check(status.oldestReceived == mine.map(\.entry.received).min(), "oldest")
            let closing = leaving.count { $0 == id }
            let open = status.running + status.idle + closing
            check(status.connections == open, "\(status.connections) connections, not \(open)")
            let tokens = status.tokens ?? 0
            check(tokens >= 0 && tokens <= status.burst ?? 0, "\(tokens) tokens")
            let late = mine.count { !$0.isRunning && end(of: $0) <= now }
            check(late == 0, "\(late) waited too long and are still here")
            let why = scheduler.explain(id, at: now)
            check(
                !isRecording || why.kind != .nothing || status.ready == 0,
                "\(status.ready) are ready at \(id), and nothing keeps them")
            if let until = why.until, status.queued > 0, isRecording {
                let wake = scheduler.nextWake(after: now) ?? .distantFuture
                check(wake <= until, "nobody looks when \(why.text) ends")
            }
        }
        let wake = scheduler.nextWake(after: now) ?? .distantFuture
        check(wake > now, "a timer that has passed")
    }

    /// Ends what runs, well.
    mutating func settleRunning() {
        while !running.isEmpty { finishOne(.settled) }
    }

    /// From now on everything works: all that is left must come out, driven by timers alone.
    mutating func finish() {
        isRecording = true
        scheduler.setRecording(true, at: now)
        while away.keys.contains(where: { id in running.contains { $0.destination == id } }) {
            finishOne(.settled)
        }
        for id in destinations {
            comeBack(id)
            scheduler.resume(id, at: now)
            paused[id] = nil
            // Nothing may come out by having waited too long.
            poll()
            isEnding = true
            policies[id]!.retry.maxAge = Self.endless
            scheduler.configure(id, policy: policies[id]!, at: now)
            isEnding = false
        }
        isEnding = true
        let began = now
        for _ in 0..<20_000 where !queued.isEmpty {
            poll()
            // What begins to wait for a connection then gets one that others yield.
            if running.isEmpty { poll() }
            if running.isEmpty {
                // Far sooner than most of it expires, which would come out too.
                guard let wake = scheduler.nextWake(after: now), wake - began < .seconds(1_000_000)
                else { break }
                now = wake
            } else {
                pass(.milliseconds(100))
                settleRunning()
            }
        }
        let left = queued.keys.sorted()
        check(left.isEmpty, "\(left.count) never came out: \(left.prefix(3))")
        let slots = scheduler.slots.count
        check(slots == 0, "\(slots) left behind")
    }
}
