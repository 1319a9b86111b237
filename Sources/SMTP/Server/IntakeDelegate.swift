package import Mail
package import NIOCore

/// Decides about what a server session receives. Everything is called on the event loop of the
/// session's channel.
package protocol IntakeDelegate: AnyObject {
    /// A connection was made. nil: welcome. A reply (421, 554) is sent in place of the greeting
    /// and the connection is closed.
    func admit(_ peer: Peer) -> Reply?

    /// nil: the recipient is accepted with 250 2.1.5. Otherwise this reply is sent.
    func recipient(_ address: EmailAddress, sender: String, peer: Peer) -> Reply?

    /// DATA was said and there are recipients.
    func begin(_ envelope: Envelope, peer: Peer) -> IntakeStart

    /// The message is complete. `reply` is to be called once, on the same event loop, now or
    /// later; until then no further command is looked at.
    func message(_ message: ReceivedMessage, reply: @escaping (Reply) -> Void)

    /// A message that began will not be completed: the client vanished, or the message is one that
    /// the session itself refuses.
    func abandoned(_ id: MessageID)

    /// The connection has ended; called once for every `admit`, whatever that said.
    func closed(_ peer: Peer)
}

package enum IntakeStart {
    /// The body is appended to `buffer`, which may hold header fields already.
    case accept(buffer: ByteBuffer, id: MessageID)
    case refuse(Reply)
}

package struct ReceivedMessage {
    package var id: MessageID
    package var envelope: Envelope
    /// What `begin` gave, and the message behind it: CRLF line ends, not dot-stuffed.
    package var body: ByteBuffer
    /// A line of the message begins with ".": sending it on takes dot-stuffing.
    package var hasLeadingDots: Bool
    package var peer: Peer
}
