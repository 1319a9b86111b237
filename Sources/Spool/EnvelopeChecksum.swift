/// What tells a row's envelope from one that the disk has changed: three sums in bits 15…62 of its
/// flags. Rows of earlier versions have none, and rows in PostgreSQL neither.
///
/// Three, because a statement that changes the recipients does not know the rest: what never
/// changes (sender, RET, ENVID, client), the domain, and the recipients with their attributes. A
/// change of one of them goes unnoticed once in 65,536 times (the domain: 32,768).
enum EnvelopeChecksum {
    /// Says that the others are there.
    private static let mark: Int64 = 1 << 15
    private static let fixedShift: Int64 = 16
    private static let recipientShift: Int64 = 32
    private static let domainShift: Int64 = 48
    private static let recipientBits: Int64 = 0xFFFF << recipientShift
    private static let domainBits: Int64 = 0x7FFF << domainShift

    /// Of several texts, in their order; at most 16 bits.
    struct Sum {
        private var value: UInt32 = 0

        mutating func add(_ text: UnsafeRawBufferPointer) {
            // Texts that change places make another sum.
            value = value &* 31 &+ UInt32(truncatingIfNeeded: BodyChecksum.of(text))
        }

        fileprivate var bits: Int64 { Int64((value ^ value >> 16) & 0xFFFF) }
    }

    /// For a new row, beside its other flags.
    static func flags(fixed: Sum, domain: Sum, recipients: Sum) -> Int64 {
        mark | fixed.bits << fixedShift | flags(recipients: recipients) | flags(domain: domain)
    }

    static func flags(domain: Sum) -> Int64 { domain.bits << domainShift & domainBits }

    static func flags(recipients: Sum) -> Int64 { recipients.bits << recipientShift }

    /// SQL for the flags of a row whose recipients change, and its domain too where that is given
    /// anew. A row that had no sums gets none: what it had was not looked at.
    static func change(to parameter: String, domain: Bool) -> String {
        let kept = ~(recipientBits | (domain ? domainBits : 0))
        return "CASE WHEN flags & \(mark) THEN flags & \(kept) | \(parameter) ELSE flags END"
    }

    /// Whether a row is as it was written, or nobody knows.
    static func agrees(
        _ flags: Int64, fixed: @autoclosure () -> Sum, domain: @autoclosure () -> Sum,
        recipients: @autoclosure () -> Sum
    ) -> Bool {
        guard flags & mark != 0 else { return true }
        // Only the sums: the low bits say other things, one of which changes by itself.
        let sums = Self.flags(fixed: fixed(), domain: domain(), recipients: recipients())
        return flags >> fixedShift == sums >> fixedShift
    }
}
