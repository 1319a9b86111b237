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
    /// Seconds; 0 if unknown.
    var transaction: Double
    var failure: LastFailure?

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
        if let pace {
            copy.pace?.raiseIn = max(0, pace.raiseIn - time)
            copy.pace?.deafFor = max(0, pace.deafFor - time)
            let (cutAgo, overflow) = pace.cutAgo.addingReportingOverflow(time)
            copy.pace?.cutAgo = overflow ? .max : cutAgo
        }
        copy.window.patientFor = max(0, window.patientFor - time)
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
        return copy
    }
}

/// The encoding: a version, then fixed-width little-endian fields in the order below; an optional
/// one has a byte 0 or 1 before it. Below 290 bytes and the reply.
///
/// An older version is read too, without what it does not have: 1 had no `hasWorked`; 2 knew
/// neither a ceiling of the window nor a learned rate; 3 had no `shift`; 4 had no
/// `doubt`, `futile` and `failedShare`.
extension DestinationSnapshot {
    private static let version: UInt8 = 5
    /// Bytes of the last reply that are kept.
    static let replyLimit = 400

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
        bytes.append(pace == nil ? 0 : 1)
        if let pace {
            put(Int64(bitPattern: pace.rate.bitPattern))
            put(Int64(bitPattern: pace.refusedAt.bitPattern))
            put(pace.raiseIn)
            put(pace.patience)
            put(pace.deafFor)
            put(pace.cutAgo)
        }
        put(Int64(bitPattern: transaction.bitPattern))
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
            let pace = version >= 3 ? reader.pace() : .some(nil),
            let transaction = reader.double(0...1e9), let failure = reader.failure(),
            reader.isAtEnd
        else { return nil }
        self.window = window
        self.breaker = breaker
        self.tokens = tokens
        self.connectionTokens = connectionTokens
        self.pace = pace
        self.paceTokens = paceTokens
        self.transaction = transaction
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

    mutating func pace() -> Pace.Rest?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        guard let rate = double(0...1e12), let refusedAt = double(0...1e12),
            let raiseIn = int(0...Int64.max), let patience = int(0...Int64.max),
            let deafFor = int(0...Int64.max), let cutAgo = int(0...Int64.max)
        else { return nil }
        return Pace.Rest(
            rate: rate, refusedAt: refusedAt, raiseIn: raiseIn, patience: patience,
            deafFor: deafFor, cutAgo: cutAgo)
    }

    mutating func failure() -> LastFailure?? {
        guard let isThere = flag() else { return nil }
        guard isThere else { return .some(nil) }
        guard let cause = byte(), Int(cause) < Cause.allCases.count, let low = byte(),
            let high = byte()
        else { return nil }
        let length = Int(low) | Int(high) << 8
        guard bytes.count >= length else { return nil }
        let reply = String(decoding: bytes.prefix(length), as: UTF8.self)
        bytes.removeFirst(length)
        return LastFailure(cause: Cause.allCases[Int(cause)], reply: reply)
    }
}
