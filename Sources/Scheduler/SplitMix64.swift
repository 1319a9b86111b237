/// A small seeded generator (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014): the same seed gives the same decisions, on every machine.
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// Uniform between the two, the upper one excluded; `low` if they are equal or swapped.
    mutating func duration(_ low: Duration, _ high: Duration) -> Duration {
        let (low, high) = (low.nanoseconds, high.nanoseconds)
        guard low < high else { return .nanoseconds(low) }
        return .nanoseconds(Int64.random(in: low..<high, using: &self))
    }

    /// A bijection that spreads every bit over all the others.
    package static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
