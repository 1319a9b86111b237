package import Mail

/// What nodes claim and hand over: a fixed part of all destinations, by their numbers, and of the
/// mail whose destination is not known yet, by its own.
///
/// Fewer and larger than destinations, so that mail for one that is new waits for no claim, and a
/// node that dies leaves a thousand rows to take over, not millions.
package enum District {
    /// Of three nodes that become four a quarter moves, give or take 3 %; a hundred nodes have 41
    /// each, give or take 6. Part of what is stored: never changes.
    package static let count = 4096

    package static let all = 0..<count

    package static func of(destination: Int64) -> Int { Int(destination.magnitude % UInt64(count)) }

    /// Of mail that has no destination yet.
    package static func of(message: MessageID) -> Int {
        Int(message.rawValue.magnitude % UInt64(count))
    }

    package static func of(destination: Int64?, delivery: DeliveryID) -> Int {
        destination.map { of(destination: $0) } ?? of(message: delivery.message)
    }
}
