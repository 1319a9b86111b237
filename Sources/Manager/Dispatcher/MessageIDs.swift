import Mail

/// Ids that the spool has reserved for this process. Refilled from a thread before they run out,
/// so that the intake never waits for the disk to get one.
struct MessageIDs {
    static let block = 10_000

    private var available: Range<Int64>
    private var next: Range<Int64>?
    private(set) var isRefilling = false

    init(_ first: Range<Int64>) {
        available = first
    }

    /// True once per half-used block: the caller reserves the next one and calls `refill`.
    mutating func needsRefill() -> Bool {
        guard next == nil, !isRefilling, available.count < Self.block / 2 else { return false }
        isRefilling = true
        return true
    }

    mutating func refill(_ range: Range<Int64>?) {
        isRefilling = false
        next = range ?? next
    }

    /// nil when the spool could not hand out more: the intake answers 4xx.
    mutating func take() -> MessageID? {
        if available.isEmpty, let block = next {
            available = block
            next = nil
        }
        guard !available.isEmpty else { return nil }
        return MessageID(rawValue: available.removeFirst())
    }
}
