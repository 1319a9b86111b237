import Scheduler

extension SplitMix64 {
    /// True with the given probability (0…1).
    mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &self) < probability
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
    var mixer = SplitMix64(seed: hash)
    return Double.random(in: 0..<1, using: &mixer)
}
