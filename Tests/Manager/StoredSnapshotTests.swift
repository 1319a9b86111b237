import Mail
import Scheduler
import Testing

@testable import Manager

@Suite struct StoredSnapshotTests {
    private static let start = UnixTime(milliseconds: 1_700_000_000_000)

    /// Of a destination whose breaker opened for `open`, with a rate of one in ten seconds, ten at
    /// once.
    static func snapshot() -> (bytes: [UInt8], open: Duration, policy: DestinationPolicy) {
        let policy = DestinationPolicy(
            limits: Limits(rate: Rate(text: "6/min"), burst: 10),
            retry: RetryPolicy(breakerFirst: .seconds(600), breakerCap: .seconds(3600)))
        var scheduler = Scheduler(seed: 1)
        let now = Instant(nanoseconds: 0)
        let id = DestinationID(rawValue: 1)
        scheduler.add(id, policy: policy, snapshot: nil, at: now)
        scheduler.enqueue(
            Entry(
                id: DeliveryID(message: MessageID(rawValue: 1), ordinal: 0), destination: id,
                due: now, received: now, attempts: 0, size: 1, sender: 1),
            at: now)
        let start = scheduler.next(at: now)!
        _ = scheduler.finished(
            start.delivery, of: id, .deferred(.connect, reply: "refused"), connection: .closed,
            at: now)
        let snapshot = scheduler.snapshot(id, at: now)!
        return (snapshot.encoded, snapshot.openFor!, policy)
    }

    /// Tokens and the rest of the breaker's time that a new owner has at `now`.
    private func resume(
        _ stored: StoredSnapshot, after: Duration, lived: UnixTime = start
    ) -> (tokens: Double, open: Duration) {
        let now = Self.start + after
        let (bytes, at) = stored.resumed(at: now, lived: lived, policy: Self.snapshot().policy)
        let snapshot = DestinationSnapshot(decoding: bytes)!.advanced(by: now - at)
        var scheduler = Scheduler(seed: 1)
        let id = DestinationID(rawValue: 1)
        let instant = Instant(nanoseconds: 0)
        scheduler.add(id, policy: Self.snapshot().policy, snapshot: snapshot, at: instant)
        let status = scheduler.status(id, at: instant)!
        return (status.tokens!, (status.breakerUntil ?? instant) - instant)
    }

    @Test func roundTrip() {
        let stored = StoredSnapshot(at: Self.start, bytes: Self.snapshot().bytes)
        #expect(StoredSnapshot(decoding: stored.encoded) == stored)
        // As it was written before there was a time.
        let old = StoredSnapshot(decoding: Self.snapshot().bytes)
        #expect(old.at == nil && old.bytes == Self.snapshot().bytes)
        for bytes in [[], [0x80], [0x80, 1, 2, 3], [1, 2, 3]] as [[UInt8]] {
            let stored = StoredSnapshot(decoding: bytes)
            let unlimited = DestinationPolicy()
            #expect(
                stored.resumed(at: Self.start, lived: Self.start, policy: unlimited).bytes == bytes)
        }
        #expect(StoredSnapshot(at: Self.start, bytes: []).encoded.isEmpty)
    }

    /// What was sent between the last write and the end is unknown: no tokens at first, and they
    /// come back from when nothing can have been sent any more.
    @Test func tokensComeBackWithTime() {
        let stored = StoredSnapshot(at: Self.start, bytes: Self.snapshot().bytes)
        #expect(resume(stored, after: .seconds(1)).tokens < 0.01)
        #expect(resume(stored, after: .seconds(10)).tokens < 0.01)
        #expect(abs(resume(stored, after: .seconds(60)).tokens - 5) < 0.01)
        #expect(resume(stored, after: .seconds(3600)).tokens == 10)
        // Without a time, or with one in the future, nothing is known.
        let untimed = StoredSnapshot(at: nil, bytes: Self.snapshot().bytes)
        #expect(resume(untimed, after: .seconds(3600)).tokens < 0.01)
        let later = StoredSnapshot(at: Self.start + .seconds(60), bytes: Self.snapshot().bytes)
        #expect(resume(later, after: .zero).tokens < 0.01)
    }

    /// What lay idle for long and spent its burst just before the end does not get another one; nor
    /// does what was new then, and had not been written at all.
    @Test(arguments: [false, true])
    func theLastBurstCounts(isNew: Bool) {
        let stored = StoredSnapshot(at: Self.start, bytes: isNew ? [] : Self.snapshot().bytes)
        let end = Self.start + .seconds(3600)
        #expect(resume(stored, after: .seconds(3601), lived: end).tokens < 0.01)
        #expect(resume(stored, after: .seconds(3610), lived: end).tokens < 0.01)
        #expect(abs(resume(stored, after: .seconds(3660), lived: end).tokens - 5) < 0.01)
        #expect(resume(stored, after: .seconds(7200), lived: end).tokens == 10)
        // A clock that was set back.
        #expect(resume(stored, after: .seconds(3599), lived: end).tokens < 0.01)
    }

    /// The breaker opens again when it would have.
    @Test func theBreakersTimeGoesOn() {
        let stored = StoredSnapshot(at: Self.start, bytes: Self.snapshot().bytes)
        let open = Self.snapshot().open
        for seconds in [1, 8, 60, 300] {
            let rest = resume(stored, after: .seconds(seconds)).open
            #expect(rest == open - .seconds(seconds))
        }
        #expect(resume(stored, after: .seconds(86_400)).open == .zero)
    }
}
