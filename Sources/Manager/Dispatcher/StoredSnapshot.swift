import Mail
import Scheduler

/// A scheduler's state as it lies in the spool: with the time at which it was so, because its own
/// times count from then.
struct StoredSnapshot: Equatable {
    /// Longer than what was learned last can wait to be written.
    static let delay: Duration = .seconds(10)
    /// How often changes are written.
    static let interval: Duration = .seconds(5)

    /// No encoded snapshot begins so: their first byte is a small version.
    private static let mark: UInt8 = 0x80

    /// nil where it was written without.
    var at: UnixTime?
    var bytes: [UInt8]

    init(at: UnixTime?, bytes: [UInt8]) {
        self.at = at
        self.bytes = bytes
    }

    var encoded: [UInt8] {
        guard let at, !bytes.isEmpty else { return bytes }
        let time = withUnsafeBytes(of: at.milliseconds.littleEndian) { Array($0) }
        return [Self.mark] + time + bytes
    }

    init(decoding stored: [UInt8]) {
        guard stored.first == Self.mark, stored.count >= 9 else {
            self.init(at: nil, bytes: stored)
            return
        }
        let time = stored[1..<9].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        self.init(
            at: UnixTime(milliseconds: Int64(bitPattern: time)), bytes: Array(stored.dropFirst(9)))
    }

    /// For a new owner after a restart, and the time from which it counts. What the last life did
    /// at its end may not have been written: all tokens may have been taken until then, and they
    /// come back from then on.
    ///
    /// - Parameters:
    ///   - lived: a time at which the last life was not over, and not ten seconds from its end.
    ///   - policy: for what has no state yet.
    func resumed(
        at now: UnixTime, lived: UnixTime, policy: DestinationPolicy
    ) -> (bytes: [UInt8], at: UnixTime) {
        let snapshot: DestinationSnapshot
        let known: UnixTime
        if let stored = DestinationSnapshot(decoding: bytes) {
            // A clock that was set back says nothing.
            guard let at, at <= now, lived <= now else { return (stored.drained.encoded, now) }
            known = min(now, max(at, lived) + Self.delay)
            snapshot = stored.advanced(by: known - at)
        } else if policy.limits.isPaced {
            snapshot = DestinationSnapshot(policy)
            known = lived <= now ? min(now, lived + Self.delay) : now
        } else {
            return (bytes, now)
        }
        return (snapshot.drained.encoded, known)
    }
}
