import Mail
import SMTP

/// The gate as one listener has it: the same counts and rules for all, and its own priority.
final class ListenerGate: IntakeDelegate {
    private let gate: IntakeGate
    /// Its place in `[[intake.listener]]`; nil for those of `listen`. The settings are looked up
    /// with every message, as a reload may change them.
    private let listener: Int?

    init(_ gate: IntakeGate, listener: Int?) {
        self.gate = gate
        self.listener = listener
    }

    func admit(_ peer: Peer) -> Reply? { gate.admit(peer) }
    func recipient(_ address: EmailAddress, sender: String, peer: Peer) -> Reply? {
        gate.recipient(address, sender: sender, peer: peer)
    }
    func begin(_ envelope: Envelope, peer: Peer) -> IntakeStart {
        gate.begin(envelope, peer: peer)
    }
    func message(_ message: ReceivedMessage, reply: @escaping (Reply) -> Void) {
        gate.message(message, listener: listener, reply: reply)
    }
    func abandoned(_ id: MessageID) {}
    func closed(_ peer: Peer) { gate.closed(peer) }
}
