/// What a destination has learned and owes, without its queue: to be stored, or handed to another
/// process. Times are relative to the moment it was taken, because monotonic clocks differ.
package struct DestinationSnapshot: Sendable, Hashable {
    var window: Window.Rest
    var breaker: Breaker.Rest
    var tokens: Bucket.Rest?
    var connectionTokens: Bucket.Rest?
    /// What was learned of the receiver's rate, and the tokens of it.
    var pace: Pace.Rest?
    var paceTokens: Bucket.Rest?
    /// The same of new connections.
    var connectionPace: Pace.Rest?
    var connectionPaceTokens: Bucket.Rest?
    /// Seconds; 0 if unknown.
    var transaction: Double
    var opening: Opening
    var failure: LastFailure?
}

extension DestinationSnapshot {
    /// Of a destination that nobody has worked for yet.
    package init(_ policy: DestinationPolicy) {
        let now = Instant(nanoseconds: 0)
        var scheduler = Scheduler(seed: 0)
        let id = DestinationID(rawValue: 0)
        scheduler.add(id, policy: policy, snapshot: nil, at: now)
        guard let snapshot = scheduler.snapshot(id, at: now) else {
            preconditionFailure("a destination that was added has no state")
        }
        self = snapshot
    }

    /// The same, this much later: for what lay stored in between.
    package func advanced(by time: Duration) -> DestinationSnapshot {
        let time = max(0, time.nanoseconds)
        var copy = self
        if let open = breaker.open { copy.breaker.open = max(0, open - time) }
        if let debt = tokens?.debt { copy.tokens?.debt = max(0, debt - time) }
        if let debt = connectionTokens?.debt {
            copy.connectionTokens?.debt = max(0, debt - time)
        }
        if let debt = paceTokens?.debt { copy.paceTokens?.debt = max(0, debt - time) }
        if let debt = connectionPaceTokens?.debt {
            copy.connectionPaceTokens?.debt = max(0, debt - time)
        }
        copy.pace = pace?.advanced(by: time)
        copy.connectionPace = connectionPace?.advanced(by: time)
        copy.window.patientFor = max(0, window.patientFor - time)
        return copy
    }

    /// The same with a breaker that waits no longer, but for a probe; nil where it does not wait.
    package var retried: DestinationSnapshot? {
        guard let open = breaker.open, open > 0 else { return nil }
        var copy = self
        copy.breaker.open = 0
        return copy
    }

    /// The same with empty buckets: for when its last owner died, and nobody knows what it took
    /// after this was written.
    package var drained: DestinationSnapshot {
        func drain(_ rest: inout Bucket.Rest?) {
            guard let bucket = rest else { return }
            let debt = (bucket.burst * Double(bucket.interval)).rounded(.up)
            rest?.debt = max(bucket.debt, debt < 9e18 ? Int64(debt) : .max)
        }
        var copy = self
        drain(&copy.tokens)
        drain(&copy.connectionTokens)
        drain(&copy.paceTokens)
        drain(&copy.connectionPaceTokens)
        return copy
    }
}

/// The encoding: a version, then fixed-width little-endian fields in the order below; an optional
/// one has a byte 0 or 1 before it. Below 600 bytes and the reply.
///
/// An older version is read too, without what it does not have: 1 had no `hasWorked`; 2 knew
/// neither a ceiling of the window nor a learned rate; 3 had no `shift`; 4 had no
/// `doubt`, `futile` and `failedShare`; 5 knew of a learned rate neither its `peak` and what comes
/// after that, nor one of connections, nor
/// how long those take to open; 6 did not tell receivers that
/// take single messages from others, and had no rule.
extension DestinationSnapshot {
    private static let version: UInt8 = 7
    /// Bytes of the last reply that are kept.
    static let replyLimit = 400
    /// The same of the name of a rule.
    static let ruleLimit = 100

    package var encoded: [UInt8] {
        var bytes = [Self.version]
        func put(_ value: Int64) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        func put(_ bucket: Bucket.Rest?) {
            bytes.append(bucket == nil ? 0 : 1)
            guard let bucket else { return }
            put(bucket.debt)
            put(bucket.interval)
            put(Int64(bitPattern: bucket.burst.bitPattern))
        }
        func put(_ pace: Pace.Rest?) {
            bytes.append(pace == nil ? 0 : 1)
            guard let pace else { return }
            put(Int64(bitPattern: pace.rate.bitPattern))
            put(Int64(bitPattern: pace.refusedAt.bitPattern))
            put(pace.raiseIn)
            put(pace.patience)
            put(pace.deafFor)
            put(pace.cutAgo)
            put(Int64(bitPattern: pace.peak.bitPattern))
            put(pace.peakAgo)
            put(Int64(pace.strikes))
            put(Int64(bitPattern: pace.refusedShare.bitPattern))
            put(Int64(bitPattern: (pace.proven ?? -1).bitPattern))
            put(Int64(bitPattern: pace.taken.bitPattern))
            put(pace.sinceAgo)
            put(pace.lastTakenAgo)
            bytes.append(pace.isExact ? 1 : 0)
            put(Int64(bitPattern: pace.nearest.bitPattern))
            put(Int64(bitPattern: pace.farthest.bitPattern))
            put(Int64(bitPattern: pace.fastest.bitPattern))
            bytes.append(pace.isSeveral ? 1 : 0)
        }
        put(Int64(window.size))
        put(Int64(window.good))
        put(Int64(window.credit))
        put(Int64(window.target))
        put(Int64(window.misses))
        put(Int64(window.ceiling))
        put(window.patientFor)
        put(window.patience)
        put(Int64(window.before))
        bytes.append(window.isIndifferent ? 1 : 0)
        put(Int64(bitPattern: window.turnedAway.bitPattern))
        put(Int64(bitPattern: window.doubt.bitPattern))
        put(Int64(window.futile))
        put(breaker.open ?? -1)
        put(Int64(breaker.failures))
        put(breaker.previous)
        put(breaker.shift)
        bytes.append(breaker.hasWorked ? 1 : 0)
        put(Int64(bitPattern: breaker.failedShare.bitPattern))
        put(tokens)
        put(connectionTokens)
        put(paceTokens)
        put(pace)
        put(connectionPaceTokens)
        put(connectionPace)
        put(Int64(bitPattern: transaction.bitPattern))
        put(Int64(bitPattern: opening.mean.bitPattern))
        put(Int64(bitPattern: opening.deviation.bitPattern))
        bytes.append(failure == nil ? 0 : 1)
        if let failure {
            let cause = Cause.allCases.firstIndex(of: failure.cause) ?? 0
            var reply = failure.reply.utf8.prefix(Self.replyLimit)[...]
            // Not in the middle of a character.
            while String(reply) == nil { reply.removeLast() }
            bytes.append(UInt8(cause))
            bytes.append(UInt8(reply.count & 0xFF))
            bytes.append(UInt8(reply.count >> 8))
            bytes.append(contentsOf: reply)
            var rule = failure.rule.utf8.prefix(Self.ruleLimit)[...]
            while String(rule) == nil { rule.removeLast() }
            bytes.append(UInt8(rule.count))
            bytes.append(contentsOf: rule)
        }
        return bytes
    }

    /// nil if it is damaged, of a newer version, or has a value that no snapshot has.
    package init?(decoding bytes: some Sequence<UInt8>) {
        var reader = SnapshotReader(bytes)
        guard let version = reader.byte(), (1...Self.version).contains(version),
            let window = reader.window(version), let breaker = reader.breaker(version),
            let tokens = reader.bucket(), let connectionTokens = reader.bucket(),
            let paceTokens = version >= 3 ? reader.bucket() : .some(nil),
            let pace = version >= 3 ? reader.pace(version) : .some(nil),
            let connectionPaceTokens = version >= 6 ? reader.bucket() : .some(nil),
            let connectionPace = version >= 6 ? reader.pace(version) : .some(nil),
            let transaction = reader.double(0...1e9), let opening = reader.opening(version),
            let failure = reader.failure(version),
            reader.isAtEnd
        else { return nil }
        self.window = window
        self.breaker = breaker
        self.tokens = tokens
        self.connectionTokens = connectionTokens
        self.pace = pace
        self.paceTokens = paceTokens
        self.connectionPace = connectionPace
        self.connectionPaceTokens = connectionPaceTokens
        self.transaction = transaction
        self.opening = opening
        self.failure = failure
    }
}

/// Reads the fields of a snapshot; each gives nil where the bytes end or the value is out of range.
private struct SnapshotReader {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)[...]
    }

    var isAtEnd: Bool { bytes.isEmpty }

    mutating func byte() -> UInt8? { bytes.popFirst() }

    mutating func int(_ range: ClosedRange<Int64>) -> Int64? {
        guard bytes.count >= 8 else { return nil }
        let value = bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        bytes.removeFirst(8)
        let signed = Int64(bitPattern: value)
        return range.contains(signed) ? signed : nil
    }

    mutating func double(_ range: ClosedRange<Double>) -> Double? {
        guard let bits = int(Int64.min...Int64.max) else { return nil }
        let value = Double(bitPattern: UInt64(bitPattern: bits))
        return range.contains(value) ? value : nil
    }

    /// A flag, and whether it is set.
    mutating func flag() -> Bool? {
        switch byte() {
        case 0: false
        case 1: true
        default: nil
        }
    }

    mutating func window(_ version: UInt8) -> Window.Rest? {
        let sizes = Int64(0)...0xFFFF_FFFF
        guard let size = int(1...0xFFFF_FFFF), let good = int(sizes), let credit = int(sizes),
            let target = int(sizes), let misses = int(sizes)
        else { return nil }
        var window = Window(initial: Int(size)).rest(at: Instant(nanoseconds: 0))
        window.good = Int(good)
        window.credit = Int(credit)
        window.target = Int(target)
        window.misses = Int(misses)
        guard version >= 3 else { return window }
        guard let ceiling = int(sizes), let patientFor = int(0...Int64.max),
            let patience = int(0...Int64.max), let before = int(sizes),
            let isIndifferent = flag(), let turnedAway = double(0...1)
        else { return nil }
        window.ceiling = Int(ceiling)
        window.patientFor = patientFor
        window.patience = patience
        window.before = Int(before)
        window.isIndifferent = isIndifferent
        window.turnedAway = turnedAway
        guard version >= 5 else { return window }
        guard let doubt = double(0...5), let futile = int(sizes) else { return nil }
        window.doubt = doubt
        window.futile = Int(futile)
        return window
    }

    mutating func breaker(_ version: UInt8) -> Breaker.Rest? {
        let times = Int64(0)...Int64.max
        // Within it the sum of two cannot overflow.
        let shifts = -(Int64(1) << 61)...(Int64(1) << 61)
        guard let open = int(-1...Int64.max), let failures = int(times),
            let previous = int(times), let shift = version >= 4 ? int(shifts) : 0,
            let hasWorked = version >= 2 ? flag() : false,
            let failedShare = version >= 5 ? double(0...1) : 0
        else { return nil }
        return Breaker.Rest(
            open: open < 0 ? nil : open, failures: Int(failures), previous: previous,
            shift: shift, hasWorked: hasWorked, failedShare: failedShare)
    }

    mutating func bucket() -> Bucket.Rest?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        guard let debt = int(0...Int64.max), let interval = int(1...Int64.max),
            let burst = double(1...1e9)
        else { return nil }
        return Bucket.Rest(debt: debt, interval: interval, burst: burst)
    }

    mutating func pace(_ version: UInt8) -> Pace.Rest?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        guard let rate = double(0...1e12), let refusedAt = double(0...1e12),
            let raiseIn = int(0...Int64.max), let patience = int(0...Int64.max),
            let deafFor = int(0...Int64.max), let cutAgo = int(0...Int64.max)
        else { return nil }
        var pace = Pace.Rest(
            rate: rate, refusedAt: refusedAt, raiseIn: raiseIn, patience: patience,
            deafFor: deafFor, cutAgo: cutAgo)
        guard version >= 6 else { return pace }
        let ages = Int64(0)...Int64.max
        guard let peak = double(0...1e12), let peakAgo = int(ages), let strikes = int(0...1000),
            let refusedShare = double(0...1), let proven = double(-1...1e12),
            let taken = double(0...1e15), let sinceAgo = int(ages), let lastTakenAgo = int(ages),
            let isExact = flag()
        else { return nil }
        pace.peak = peak
        pace.peakAgo = peakAgo
        pace.strikes = Int(strikes)
        pace.refusedShare = refusedShare
        pace.proven = proven < 0 ? nil : proven
        pace.taken = taken
        pace.sinceAgo = sinceAgo
        pace.lastTakenAgo = lastTakenAgo
        pace.isExact = isExact
        guard version >= 7 else { return pace }
        let times = 0.0...1e12
        guard let nearest = double(times), let farthest = double(times),
            let fastest = double(times), let isSeveral = flag()
        else { return nil }
        pace.nearest = nearest
        pace.farthest = farthest
        pace.fastest = fastest
        pace.isSeveral = isSeveral
        return pace
    }

    mutating func opening(_ version: UInt8) -> Opening? {
        guard version >= 6 else { return Opening() }
        guard let mean = double(0...3600), let deviation = double(0...3600) else { return nil }
        return Opening(mean: mean, deviation: deviation)
    }

    mutating func failure(_ version: UInt8) -> LastFailure?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        guard let cause = byte(), Int(cause) < Cause.allCases.count, let low = byte(),
            let high = byte()
        else { return nil }
        let length = Int(low) | Int(high) << 8
        guard bytes.count >= length else { return nil }
        let reply = String(decoding: bytes.prefix(length), as: UTF8.self)
        bytes.removeFirst(length)
        var failure = LastFailure(cause: Cause.allCases[Int(cause)], reply: reply)
        guard version >= 7 else { return failure }
        guard let size = byte(), bytes.count >= Int(size) else { return nil }
        failure.rule = String(decoding: bytes.prefix(Int(size)), as: UTF8.self)
        bytes.removeFirst(Int(size))
        return failure
    }
}
