package enum TraceDirection: String, Sendable, Hashable {
    case sent, received
    /// What is no line of the conversation: a message's size, TLS, an end.
    case note
    /// A line of a message, sent; only while `tracesContent`.
    case content
}

/// Learns what a connection does. Everything is called on its event loop.
package protocol ClientConnectionDelegate: AnyObject {
    /// Greeted, EHLO said, TLS if there is any: `deliver` may be called.
    func ready(_ connection: ClientConnection)

    /// Once per `deliver`. The next one may be given from here if the result says `reusable`.
    func finished(_ connection: ClientConnection, _ result: TransactionResult)

    /// Once, also when the connection could not be made, and never before the `finished` of a
    /// running transaction. nil: we said QUIT, or an idle connection was closed by the server.
    func closed(_ connection: ClientConnection, _ error: ClientError?)

    /// What was said, shortened and made safe to show; only while `tracing`.
    func traced(_ connection: ClientConnection, direction: TraceDirection, line: String)
}

package struct TLSInfo: Hashable, Sendable {
    /// "TLSv1.3".
    package var version: String
}
