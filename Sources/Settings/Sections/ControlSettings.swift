/// `[control]`: who may use the control socket.
package struct ControlSettings: Hashable, Sendable, Codable {
    /// The group that the socket belongs to (its mode is 0660); nil: the daemon's own.
    package var group: UInt32?
    /// Who may retry, purge, pause …; always also the daemon's own user and root.
    package var operators = AccessList()
    /// Who may only look, of those who can reach the socket.
    package var readers = AccessList(everybody: true)

    package init() {}

    mutating func read(_ reader: TableReader) {
        reader.read("group", AccessList.groupKind, into: &group)
        if let entries = reader.read(
            "operators", ValueKind<[AccessList.Entry]>.list(AccessList.entryKind))
        {
            operators = AccessList(entries: entries)
            if operators.everybody {
                reader.warn(
                    "operators",
                    "\"*\" lets everybody who can reach the socket purge mail")
            }
        }
        if let entries = reader.read(
            "readers", ValueKind<[AccessList.Entry]>.list(AccessList.entryKind))
        {
            readers = AccessList(entries: entries)
        }
    }
}
