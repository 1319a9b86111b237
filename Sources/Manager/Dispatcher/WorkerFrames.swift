import Control
import FoundationEssentials
import Logging
import Mail
import NIOCore
import Scheduler
import Settings
import Spool

/// Deliveries that a worker was told to forget, and who waits to know which were in a transaction.
struct Withdrawal {
    var worker: Int
    var done: ([DeliveryID]) -> Void
}

extension Dispatcher {
    func received(_ frame: Frame, from link: WorkerLink) {
        switch frame {
        case .results(let reports):
            settle(reports, from: link)
        case .fetch(let destination, let ids):
            fetch(LetterRequest(ids: ids, destination: destination, link: link))
        case .status(let reports):
            reported(reports, by: link.worker)
        case .resolved(let request, let result):
            resolved(request: request, result)
        case .withdrawn(let request, let running):
            withdrawals.removeValue(forKey: request)?.done(running)
        case .inspected(let request, let inspection):
            inspected(request, inspection)
        case .surrendered(let destination, let snapshot):
            surrendered(destination, snapshot: snapshot, by: link.worker)
        case .traced(let destination, let connection, let direction, let dropped, let line):
            events.trace(
                TraceLine(
                    at: clocks.wall(), destination: String(destination), worker: link.worker,
                    connection: connection,
                    direction: String(UnicodeScalar(direction)), text: SafeText(line).text,
                    dropped: dropped))
        default:
            logger.error(
                "a worker sent a frame that only the manager sends",
                metadata: ["worker": "\(link.worker)"])
        }
    }

    func configure(_ link: WorkerLink) {
        do {
            let bytes = try JSONEncoder().encode(configuration)
            link.send(.configure(worker: link.worker, configuration: ByteBuffer(bytes: bytes)))
        } catch {
            logger.critical("the configuration cannot be sent", metadata: ["error": "\(error)"])
        }
    }

    /// What cannot be read as it was written is kept back and shown, and never sent.
    func setAside(_ stored: StoredDelivery, because damage: SpoolError) {
        logger.error(
            "a message is damaged on disk: it is held",
            metadata: ["id": "\(stored.id)", "error": "\(damage)"])
        publish("spool", "\(stored.id) is damaged on disk and held", message: stored.id.message)
        // An operator may have taken it meanwhile.
        guard [.queued, .routing].contains(stored.state), marked[stored.id] == nil else { return }
        write([
            .update(
                DeliveryUpdate(
                    id: stored.id, attempts: stored.attempts, nextAttemptAt: stored.nextAttemptAt,
                    lastReply: stored.isAsWritten ? Self.damageReply : Self.envelopeReply,
                    recipients: nil)),
            .mark([stored.id], from: [.queued, .routing], to: .held, at: nil),
        ])
        guard let destination = stored.destination.flatMap({ table[$0] }) else { return }
        destination.queued -= 1
        destination.held += 1
        destination.lastActive = clocks.wall()
        if destination.queued == 0 { destination.oldest = nil }
    }

    static let changedEnvelope = SpoolError.damaged("its envelope has changed")

    /// RFC 3463 §3.4: 4.3.0, a fault of this system.
    static let damageReply =
        "4.3.0 its text is damaged on disk: restore it from a backup, or purge it"
    static let envelopeReply =
        "4.3.0 its envelope is damaged on disk: restore it from a backup, or purge it"

    /// Tells a worker to forget deliveries; `done` gets those whose transaction is running.
    func withdraw(
        _ ids: [DeliveryID], from worker: Int, done: @escaping ([DeliveryID]) -> Void
    ) {
        guard let link = links[worker] else { return done([]) }
        let request = nextRequest
        nextRequest += 1
        withdrawals[request] = Withdrawal(worker: worker, done: done)
        link.send(.withdraw(request: request, ids))
    }

    /// All that a dead worker had written is worked off; what it had is given to others.
    func lost(worker: Int) {
        for (request, withdrawal) in withdrawals where withdrawal.worker == worker {
            withdrawals[request] = nil
            withdrawal.done([])
        }
        giveUpInspections(of: worker)
        abandon(worker: worker)
        askAgain(lost: worker)
    }

    func isTraced(_ destination: Int64) -> Bool { (traced[destination] ?? 0) > 0 }

    func showsContent(_ destination: Int64) -> Bool { (tracedContent[destination] ?? 0) > 0 }
}

extension Job {
    init(_ stored: StoredDelivery, body: ByteBuffer) {
        self.init(
            domain: stored.domain, sender: stored.message.sender,
            recipients: stored.recipients.map(JobRecipient.init),
            eightBit: stored.message.eightBit, utf8: stored.message.utf8,
            leadingDots: stored.message.leadingDots, ret: stored.message.ret,
            envelopeID: stored.message.envelopeID, body: body)
    }
}
