import Control
import Faults
import Logging
import Mail
import NIOCore
import Settings
import Spool

/// A recipient of whom the sender is told, and what.
struct ReportedRecipient {
    var recipient: StoredRecipient
    var kind = DeliveryStatusNotification.Kind.failed
    /// Enhanced status code, "5.1.1"; empty: the reply's.
    var status: String
    var reply: String
    /// The receiver that said so; empty where none did.
    var remote: String
    /// Of one that is late: when it will be given up.
    var retryUntil: UnixTime?
}

/// Writes that failed with the spool, and what follows them.
struct Unrecorded {
    var writes: [SpoolWrite]
    var arriving: [NewDelivery] = []
    var then: (Dispatcher) -> Void
}

extension Dispatcher {
    /// Writes that ride on the next commit, or soon have one of their own (`eagerly`: now); what follows them runs on the loop when they are on
    /// disk. A spool that cannot take them now gets them again: they are never dropped. `arriving`:
    /// deliveries that they bring.
    func write(
        _ writes: [SpoolWrite], arriving: [NewDelivery] = [], eagerly: Bool = false,
        then: @escaping (Dispatcher) -> Void = { _ in }
    ) {
        if !arriving.isEmpty { register(arriving, at: clocks.wall()) }
        let work = NIOLoopBound(then, eventLoop: loop)
        let completion: SpoolWriter.Completion = { [handle = handle] result in
            let dispatcher = handle.value
            switch result {
            case .success:
                work.value(dispatcher)
            case .failure(let error) where error.code == .refused:
                // Repeating it would keep everything else from being recorded.
                dispatcher.logger.critical(
                    "the spool refuses a write, which is a fault of this program",
                    metadata: ["error": "\(error)"])
                work.value(dispatcher)
            case .failure(let error):
                dispatcher.unrecorded.append(
                    Unrecorded(writes: writes, arriving: arriving, then: work.value))
                dispatcher.spoolFailed(error)
            }
        }
        if eagerly {
            writer.submit(writes, on: loop, completion: completion)
        } else {
            writer.submitLazily(writes, on: loop, completion: completion)
        }
    }

    /// Records what became of recipients: the writes and, where the sender is to be told, the
    /// report, in one transaction, so that no crash can lose the one or repeat the other.
    func record(
        _ writes: [SpoolWrite], arriving: [NewDelivery] = [],
        reporting recipients: [ReportedRecipient], of message: MessageRecord,
        then: @escaping (Dispatcher) -> Void = { _ in }
    ) {
        let told = recipients.filter {
            DeliveryStatusNotification.applies(
                sender: message.sender, notify: $0.recipient.notify, kind: $0.kind)
        }
        guard !told.isEmpty else {
            // What arrives with them goes out when they are on disk.
            return write(writes, arriving: arriving, eagerly: !arriving.isEmpty, then: then)
        }
        let work = NIOLoopBound(then, eventLoop: loop)
        reader.read(on: loop) { spool throws(SpoolError) in
            try spool.body(of: message.id)
        } completion: { [handle = handle, told] result in
            let dispatcher = handle.value
            let original = (try? result.get()) ?? nil
            dispatcher.report(
                told, of: message, original: original, alongside: writes, arriving: arriving,
                then: work.value)
        }
    }

    private func report(
        _ recipients: [ReportedRecipient], of message: MessageRecord, original: ByteBuffer?,
        alongside writes: [SpoolWrite], arriving: [NewDelivery],
        then: @escaping (Dispatcher) -> Void
    ) {
        let again = { (dispatcher: Dispatcher) in
            dispatcher.report(
                recipients, of: message, original: original, alongside: writes, arriving: arriving,
                then: then)
        }
        guard let id = nextMessageID() else {
            // The next block of ids is on its way, or comes when the spool is well again.
            return after(.milliseconds(100), again)
        }
        let notification = notification(id: id, recipients, of: message, original: original)
        let body = ByteBuffer(bytes: notification.render())
        let submission = Submission(
            id: id, sender: "", recipients: [StoredRecipient(address: message.sender)],
            eightBit: true, utf8: message.utf8, leadingDots: true, ret: "", envelopeID: "",
            client: notification.kind == .failed
                ? "bounce of \(message.id)" : "report on \(message.id)", body: body)
        FaultPoint.bouncing.reached()
        accept(submission, alongside: writes, arriving: arriving) { [weak self] error in
            guard let self else { return }
            if error == nil {
                FaultPoint.bounced.reached()
                then(self)
            } else if error?.code == .refused {
                after(.seconds(1), again)
            } else {
                unrecorded.append(Unrecorded(writes: [], then: again))
            }
        }
    }

    private func notification(
        id: MessageID, _ recipients: [ReportedRecipient], of message: MessageRecord,
        original: ByteBuffer?
    ) -> DeliveryStatusNotification {
        let now = clocks.wall()
        let kinds = Set(recipients.map(\.kind))
        return DeliveryStatusNotification(
            kind: kinds.contains(.failed)
                ? .failed : kinds.contains(.delayed) ? .delayed : .relayed,
            id: id.description, reportingMTA: configuration.hostname, sender: message.sender,
            envelopeID: message.envelopeID, arrival: message.receivedAt, date: now,
            recipients: recipients.map { recipient in
                DeliveryStatusNotification.Recipient(
                    address: recipient.recipient.address,
                    originalRecipient: recipient.recipient.originalRecipient,
                    kind: recipient.kind, reply: Reply(stored: recipient.reply),
                    status: EnhancedCode.parse(recipient.status), remoteMTA: recipient.remote,
                    // When a late one was tried last is not kept.
                    lastAttempt: recipient.kind == .delayed ? nil : now,
                    retryUntil: recipient.retryUntil)
            },
            original: original.map { Array($0.readableBytesView) } ?? [],
            returnFull: message.ret == "FULL")
    }

    /// The spool cannot record: intake answers 4xx, workers start nothing, and every second it is
    /// tried again.
    func spoolFailed(_ error: SpoolError) {
        // At fault is what was written, not the spool.
        guard error.code != .refused else {
            logger.error("the spool refuses a write", metadata: ["error": "\(error)"])
            return
        }
        let isNew = spoolError == nil
        var error = error
        if error.code == .damaged { error.cause += Self.damageAdvice }
        spoolError = error
        guard isNew else { return }
        logger.error(
            "the spool cannot record: intake answers 452, delivery pauses until it can",
            metadata: ["error": "\(error)"])
        publish("spool", "the spool cannot record: \(error)")
        for link in links.values { link.send(.recording(false)) }
        probeSpool()
    }

    static let damageAdvice = "; stop sluiced, then run sluiced fsck"

    /// Something could not be read and is read again later. Where the file is damaged only what
    /// lies there waits; everything else goes on.
    func readFailed(_ error: SpoolError, again: @escaping (Dispatcher) -> Void) {
        guard error.code == .damaged else {
            spoolFailed(error)
            return after(.seconds(1), again)
        }
        let text = "part of the spool cannot be read: \(error)" + Self.damageAdvice
        if warning != text {
            logger.error("\(text)")
            publish("spool", text)
        }
        warn(text, for: .seconds(90))
        after(.seconds(60), again)
    }

    private func probeSpool() {
        after(.seconds(1)) { dispatcher in
            guard dispatcher.spoolError != nil else { return }
            let pending = dispatcher.unrecorded
            // Everything that is owed goes in one attempt; an empty list still asks the disk.
            let now = dispatcher.clocks.wall()
            for entry in pending { dispatcher.register(entry.arriving, at: now) }
            dispatcher.writer.submit(
                pending.flatMap(\.writes) + [.probe], on: dispatcher.loop
            ) { [handle = dispatcher.handle, count = pending.count] result in
                let dispatcher = handle.value
                switch result {
                case .failure(var error):
                    if error.code == .damaged { error.cause += Self.damageAdvice }
                    dispatcher.spoolError = error
                    dispatcher.probeSpool()
                case .success:
                    dispatcher.spoolRecovered(taken: count)
                }
            }
        }
    }

    private func spoolRecovered(taken count: Int) {
        spoolError = nil
        let done = unrecorded.prefix(count)
        unrecorded.removeFirst(count)
        logger.notice("the spool records again")
        publish("spool", "the spool records again")
        for link in links.values { link.send(.recording(true)) }
        for entry in done { entry.then(self) }
        // What failed while the probe was on its way.
        let rest = unrecorded
        unrecorded = []
        for entry in rest { write(entry.writes, arriving: entry.arriving, then: entry.then) }
    }

    /// After all that was submitted before is on disk: what failed and is repeated, too.
    func barrier(_ then: @escaping (Dispatcher) -> Void) {
        write([]) { dispatcher in
            guard !dispatcher.unrecorded.isEmpty else { return then(dispatcher) }
            dispatcher.unrecorded.append(Unrecorded(writes: []) { $0.barrier(then) })
        }
    }

    /// The same at the end of the process, which must come even where the spool can record nothing
    /// any more. What is not on disk then is in the workers' journals, or is done again.
    func lastBarrier(within limit: Duration, _ then: @escaping () -> Void) {
        var isDone = false
        func end() {
            if !isDone { then() }
            isDone = true
        }
        func look(_ dispatcher: Dispatcher) {
            guard !isDone else { return }
            // A disk that is only slow is waited for.
            guard let error = dispatcher.spoolError else { return dispatcher.after(limit, look) }
            dispatcher.logger.critical(
                "ending although the spool cannot record: what it lacks is in journals or done again",
                metadata: [
                    "error": "\(error)", "unrecorded": "\(dispatcher.unrecorded.count)",
                ])
            end()
        }
        barrier { _ in end() }
        after(limit, look)
    }

    func publish(
        _ kind: String, _ text: @autoclosure () -> String, message: MessageID? = nil,
        destination: Int64? = nil, worker: Int? = nil
    ) {
        guard events.isWanted else { return }
        events.publish(
            Event(
                at: clocks.wall(), kind: kind, text: SafeText(text()).text,
                message: message?.description, destination: destination.map(String.init),
                worker: worker))
    }
}
