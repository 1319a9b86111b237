import Control
import Mail
import NIOCore

/// Envelopes and bodies in memory, within bounds.
struct JobStore {
    private struct Stored {
        var job: Job
        var destination: Int64
        /// The spool would give it out wrongly until this result is recorded.
        var keptUntil: UInt64?
    }

    /// Bodies beyond this are left in the spool and fetched when their turn comes.
    static let capacity = 64 << 20
    private var jobs: [DeliveryID: Stored] = [:]
    /// Those that have a `keptUntil`.
    private var kept: Set<DeliveryID> = []
    private(set) var bytes = 0

    /// A job that came with its delivery; not taken when the memory is full.
    mutating func offer(_ job: Job, for id: DeliveryID, of destination: Int64) {
        guard bytes < Self.capacity, jobs[id] == nil else { return }
        store(Stored(job: job, destination: destination), id)
    }

    /// A job that the spool would give out wrongly until result `number` is recorded.
    mutating func keep(
        _ job: Job, for id: DeliveryID, of destination: Int64, until number: UInt64
    ) {
        drop(id)
        store(Stored(job: job, destination: destination, keptUntil: number), id)
        kept.insert(id)
    }

    private mutating func store(_ stored: Stored, _ id: DeliveryID) {
        jobs[id] = stored
        bytes += stored.job.body.readableBytes
    }

    subscript(id: DeliveryID) -> Job? { jobs[id]?.job }

    mutating func drop(_ id: DeliveryID) {
        guard let stored = jobs.removeValue(forKey: id) else { return }
        bytes -= stored.job.body.readableBytes
        if stored.keptUntil != nil { kept.remove(id) }
    }

    /// The destination goes to another worker. Should it come back, who is left of the recipients
    /// may be others.
    mutating func drop(destination: Int64) {
        for (id, stored) in jobs where stored.destination == destination { drop(id) }
    }

    mutating func recorded(upTo number: UInt64) {
        for id in kept where jobs[id]?.keptUntil.map({ $0 <= number }) ?? true { drop(id) }
    }
}
