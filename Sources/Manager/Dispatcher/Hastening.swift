import Control
import Mail
import Scheduler
import Spool

/// "Retry now": what an operator makes due, and that its destinations wait no longer.
extension Dispatcher {
    /// Makes deliveries due with their owner; with the next one if nobody has all of them now.
    func retryNow(_ ids: [DeliveryID], of id: Int64) {
        guard let destination = table[id] else { return }
        destination.hastened.formUnion(ids)
        if case .owned = destination.ownership { sendHastened(destination) }
    }

    func sendHastened(_ destination: Destination) {
        guard !destination.hastened.isEmpty, let worker = destination.ownership.worker else {
            return
        }
        links[worker]?.send(
            .retryNow(destination: destination.id, destination.hastened.sorted()))
        destination.hastened = []
    }

    /// The destinations of deliveries that are made due, as they are with it: an owner that starts
    /// from what is stored, after a crash, must not wait out a breaker that an operator has ended.
    func ends(waitingFor part: [DeliveryFigures]) -> [SpoolWrite] {
        waiting(part).compactMap { destination in
            guard let ended = DestinationSnapshot(decoding: destination.snapshot)?.retried else {
                return nil
            }
            return .destination(record(of: destination, snapshot: ended.encoded))
        }
    }

    /// That is on disk.
    func ended(waitingFor part: [DeliveryFigures]) {
        for destination in waiting(part) {
            destination.isRetryUnproven = true
            let ended = DestinationSnapshot(decoding: destination.snapshot)?.retried
            if let ended { destination.snapshot = ended.encoded }
        }
    }

    private func waiting(_ part: [DeliveryFigures]) -> [Destination] {
        Set(part.compactMap(\.destination)).compactMap { table[$0] }
    }
}

extension Destination {
    /// Takes an owner's word on what it has learned. While it may not have heard of a "retry now",
    /// a breaker that waits is taken for one that waits no longer. True where that is new.
    @discardableResult
    func learn(_ bytes: [UInt8]) -> Bool {
        var learned = bytes
        if isRetryUnproven, let known = DestinationSnapshot(decoding: bytes) {
            if let ended = known.retried {
                learned = ended.encoded
            } else {
                isRetryUnproven = false
            }
        }
        guard snapshot != learned else { return false }
        snapshot = learned
        return true
    }
}
