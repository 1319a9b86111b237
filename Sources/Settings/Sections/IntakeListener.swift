/// `[[intake.listener]]`: an address to listen on with settings of its own.
package struct IntakeListener: Hashable, Sendable, Codable {
    package var listen: SocketEndpoint
    /// nil: as in `[intake]`.
    package var priority: Int?
    package var priorityHeaders: [PriorityHeader]?

    init?(_ reader: TableReader) {
        let listen = reader.read("listen", SocketEndpoint.listenKind)
        reader.read("priority", IntakeSettings.priorityKind, into: &priority)
        reader.read("priority_headers", .list(.choice), into: &priorityHeaders)
        if !reader.has("listen") {
            reader.error(nil, "needs listen: an address with a port, \"127.0.0.1:2526\"")
        }
        guard let listen else { return nil }
        self.listen = listen
    }
}
