/// How much of its destination's turns a message gets. 0 is normal; each step doubles the share.
package enum MailPriority {
    package static let levels = -3...4

    /// A level within `levels`.
    package static func clamped(_ level: Int) -> Int {
        min(max(level, levels.lowerBound), levels.upperBound)
    }

    /// The words that stand for levels.
    package static let names: [(name: String, level: Int)] = [
        ("bulk", -3), ("low", -2), ("normal", 0), ("high", 2), ("urgent", 4),
    ]

    /// "high", or the number where no word stands for it.
    package static func text(_ level: Int) -> String {
        names.first { $0.level == level }?.name ?? String(level)
    }

    /// From 0: each step doubles the share.
    package static func weight(_ level: Int) -> UInt8 {
        UInt8(clamped(level) - levels.lowerBound)
    }
}
