import Control
import Mail

/// What a destination did in the last hour: for the page about it. Memory is taken as things
/// happen, and bounded: about 4 KB for one that is busy, nothing for one that is idle.
struct DestinationPast {
    private static let minuteLimit = 60
    private static let replyLimit = 16
    private static let breakerLimit = 16

    private struct Minute {
        var number: Int32
        var delivered: UInt32 = 0
        var deferred: UInt32 = 0
        var bounced: UInt32 = 0
        var connections: UInt16 = 0
        var window: UInt16 = 0
        /// -1: no rate is set.
        var tokens: Int32 = -1
    }

    fileprivate struct Replies {
        /// What they have in common.
        let pattern: [UInt8]
        var latest: String
        var lastAt: UnixTime
        /// Counts in spans of four minutes, by number modulo 16.
        var counts = SIMD16<UInt32>()
        var span: Int32
    }

    private var minutes: [Minute] = []
    private var replies: [Replies] = []
    private(set) var breakerChanges: [BreakerChange] = []

    // MARK: Recording

    mutating func ended(delivered: Int, deferred: Int, bounced: Int, reply: String, at: UnixTime) {
        change(at) {
            $0.delivered &+= UInt32(clamping: delivered)
            $0.deferred &+= UInt32(clamping: deferred)
            $0.bounced &+= UInt32(clamping: bounced)
        }
        if !reply.isEmpty { replied(reply, at: at) }
    }

    /// - Parameter report: what the owner says now; noted where something goes on.
    mutating func reported(_ report: DestinationReport, at: UnixTime) {
        guard report.connections > 0 || minutes.last?.number == Self.minute(at) else { return }
        change(at) {
            $0.connections = max($0.connections, UInt16(clamping: report.connections))
            $0.window = UInt16(clamping: report.window)
            if let tokens = report.tokens, tokens.isFinite {
                let whole = Int32(max(0, min(tokens, 1e9)))
                $0.tokens = $0.tokens < 0 ? whole : min($0.tokens, whole)
            }
        }
    }

    mutating func breakerChanged(to state: BreakerState, reason: String, at: UnixTime) {
        if breakerChanges.count == Self.breakerLimit { breakerChanges.removeLast() }
        breakerChanges.insert(
            BreakerChange(at: at, state: state, reason: SafeText(reason).text), at: 0)
    }

    private static func minute(_ time: UnixTime) -> Int32 {
        Int32(clamping: time.milliseconds / 60_000)
    }

    private mutating func change(_ time: UnixTime, _ body: (inout Minute) -> Void) {
        let number = Self.minute(time)
        // A clock that was set back: it belongs to the last minute that was seen.
        if minutes.isEmpty || minutes[minutes.count - 1].number < number {
            let oldest = number - Int32(Self.minuteLimit)
            if let first = minutes.first, first.number <= oldest {
                minutes.removeAll { $0.number <= oldest }
            }
            minutes.append(Minute(number: number))
        }
        body(&minutes[minutes.count - 1])
    }

    private mutating func replied(_ reply: String, at time: UnixTime) {
        let pattern = ReplyPattern.pattern(of: reply)
        let span = Int32(clamping: time.milliseconds / 240_000)
        let index: Int
        if let known = replies.firstIndex(where: { $0.pattern == pattern }) {
            index = known
        } else if replies.count < Self.replyLimit {
            index = replies.count
            replies.append(
                Replies(pattern: pattern, latest: reply, lastAt: time, span: span))
        } else {
            // In place of the one that was seen the longest ago.
            index = replies.indices.min { replies[$0].lastAt < replies[$1].lastAt } ?? 0
            replies[index] = Replies(pattern: pattern, latest: reply, lastAt: time, span: span)
        }
        replies[index].advance(to: span)
        replies[index].counts[Int(max(span, replies[index].span) & 15)] &+= 1
        replies[index].latest = reply
        replies[index].lastAt = time
    }

    // MARK: Reading

    func minuteRows(at now: UnixTime) -> [MinuteRow] {
        let oldest = Self.minute(now) - Int32(Self.minuteLimit)
        return minutes.filter { $0.number > oldest }.map { minute in
            MinuteRow(
                at: UnixTime(milliseconds: Int64(minute.number) * 60_000),
                delivered: Int(minute.delivered), deferred: Int(minute.deferred),
                bounced: Int(minute.bounced), connections: Int(minute.connections),
                window: Int(minute.window), tokens: minute.tokens < 0 ? nil : Int(minute.tokens))
        }
    }

    /// The most frequent first.
    func replyCounts(at now: UnixTime) -> [ReplyCount] {
        let span = Int32(clamping: now.milliseconds / 240_000)
        return replies.compactMap { replies in
            var replies = replies
            replies.advance(to: span)
            let count = Int(replies.counts.wrappedSum())
            guard count > 0 else { return nil }
            return ReplyCount(
                reply: SafeText(replies.latest).text, count: count, lastAt: replies.lastAt)
        }.sorted { ($1.count, $0.reply) < ($0.count, $1.reply) }
    }
}

extension DestinationPast.Replies {
    /// Forgets what is older than an hour.
    fileprivate mutating func advance(to span: Int32) {
        guard span > self.span else { return }
        for passed in 1...min(span - self.span, 16) { counts[Int((span - passed + 1) & 15)] = 0 }
        self.span = span
    }
}

/// What replies have in common that differ only in ids, addresses and numbers.
enum ReplyPattern {
    /// Longer replies are compared by their beginning.
    private static let limit = 160

    /// The reply with "*" for each word that holds a digit, an "@" or a "<", but for the codes that
    /// it begins with.
    static func pattern(of reply: String) -> [UInt8] {
        var pattern: [UInt8] = []
        pattern.reserveCapacity(Self.limit)
        var start = 0
        var word = 0
        var isPeculiar = false
        func isCode(_ bytes: ArraySlice<UInt8>) -> Bool {
            bytes.allSatisfy { (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }
        }
        for byte in reply.utf8.prefix(Self.limit) {
            if byte == UInt8(ascii: " ") {
                if isPeculiar, word > 1 || !isCode(pattern[start...]) {
                    pattern.removeSubrange(start...)
                    pattern.append(UInt8(ascii: "*"))
                }
                pattern.append(byte)
                start = pattern.count
                word += 1
                isPeculiar = false
                continue
            }
            if (0x30...0x39).contains(byte) || byte == UInt8(ascii: "@")
                || byte == UInt8(ascii: "<")
            {
                isPeculiar = true
            }
            pattern.append(byte)
        }
        if isPeculiar, word > 1 || !isCode(pattern[start...]) {
            pattern.removeSubrange(start...)
            pattern.append(UInt8(ascii: "*"))
        }
        return pattern
    }
}
