/// SplitMix64: a small generator whose whole sequence follows from its seed, so that a run of the
/// testbed can be repeated. Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", OOPSLA 2014. Not for secrets.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return SeededGenerator.mix(state)
    }

    /// True with the given probability (0…1).
    package mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &self) < probability
    }

    static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// Maps a name to a number in 0..<1 that is the same in every run and process, which `Hasher` does
/// not promise: whether a mailbox exists must not depend on when it is asked. FNV-1a, then mixed,
/// because FNV alone leaves names that differ in the last letter close together.
func stableShare(_ name: String, salt: UInt64) -> Double {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ salt
    for byte in name.utf8 {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
    }
    return Double(SeededGenerator.mix(hash) >> 11) / Double(UInt64(1) << 53)
}
