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

    /// For a new owner after a restart, and the time from which it counts. Until the last write
    /// that may be missing all tokens may have been taken, and they come back from then on.
    func resumed(at now: UnixTime) -> (bytes: [UInt8], at: UnixTime) {
        guard let snapshot = DestinationSnapshot(decoding: bytes) else { return (bytes, now) }
        // A clock that was set back says nothing.
        guard let at, at <= now else { return (snapshot.drained.encoded, now) }
        let known = min(now, at + Self.delay)
        return (snapshot.advanced(by: known - at).drained.encoded, known)
    }
}
