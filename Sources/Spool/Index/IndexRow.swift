import Mail

/// A delivery as the index has it: 80 bytes.
struct IndexRow {
    var id: Int64 = 0
    /// Milliseconds, as in the table.
    var next: Int64 = 0
    var received: Int64 = 0
    var expires: Int64 = 0
    /// `never` where there is none.
    var purgeAt = Self.never
    /// Where its recipients stand in the block's text, and how many bytes they have.
    var text: UInt32 = 0
    var textCount: UInt32 = 0
    /// Numbers in the pools of texts.
    var domain: UInt32 = 0
    var sender: UInt32 = 0
    var reply: UInt32 = 0
    /// In the table of destinations; 0: none.
    var destination: UInt32 = 0
    var size: UInt32 = 0
    var attempts: Int32 = 0
    var code: UInt16 = 0
    /// `StoredState`; something else for a row that is damaged.
    var state: UInt8 = 0
    /// As in the table: eight bits so far.
    var flags: UInt8 = 0
    /// The same recipients with small letters follow: where some are capitals.
    var hasFolded = false

    static let never = Int64.min
    static let damaged: UInt8 = 255

    var priority: Int { DeliveryRow.priority(in: Int64(flags)) }
}
