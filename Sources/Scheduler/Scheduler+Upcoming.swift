package import Mail

extension Scheduler {
    /// The deliveries of a destination that become due next by themselves, in that order; those
    /// that are due already are not among them.
    package func upcoming(
        of id: DestinationID, limit: Int
    ) -> [(delivery: DeliveryID, due: Instant)] {
        guard let index = number(of: id) else { return [] }
        return destinations[index].queue.upcoming(limit, slots).map {
            (DeliveryID(rawValue: slots[$0].id), Instant(nanoseconds: slots[$0].due))
        }
    }
}
