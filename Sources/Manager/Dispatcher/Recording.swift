import Control
import Faults
import Logging
import Mail
import NIOCore
import Settings
import Spool

/// A recipient who is given up: what the bounce says of it.
struct FailedRecipient {
    var recipient: StoredRecipient
    /// Enhanced status code, "5.1.1".
    var status: String
    var reply: String
    /// The receiver that said so; empty where none did.
    var remote: String
}

/// Writes that failed with the spool, and what follows them.
struct Unrecorded {
    var writes: [SpoolWrite]
    var arriving: [NewDelivery] = []
    var then: (Dispatcher) -> Void
}

extension Reply {
    /// A reply as reports carry it: "550 5.1.1 no such user", or a text of our own.
    init(stored text: String) {
        var rest = text[...]
        var code = 0
        if let number = Int(text.prefix(3)), (200...599).contains(number),
            text.dropFirst(3).first == " "
        {
            code = number
            rest = text.dropFirst(4)
        }
        let enhanced = EnhancedCode.takePrefix(&rest)
        self.init(code: code, enhanced: enhanced, lines: [String(rest)])
    }
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

    /// Records the end of recipients: the writes and, where someone is to be told, the bounce,
    /// in one transaction, so that no crash can lose the one or repeat the other.
    func record(
        _ writes: [SpoolWrite], arriving: [NewDelivery] = [],
        bouncing failures: [FailedRecipient], of message: MessageRecord,
        then: @escaping (Dispatcher) -> Void = { _ in }
    ) {
        let told = failures.filter {
            DeliveryStatusNotification.applies(
                sender: message.sender, notify: $0.recipient.notify, kind: .failed)
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
            dispatcher.bounce(
                told, of: message, original: original, alongside: writes, arriving: arriving,
                then: work.value)
        }
    }

    private func bounce(
        _ failures: [FailedRecipient], of message: MessageRecord, original: ByteBuffer?,
        alongside writes: [SpoolWrite], arriving: [NewDelivery],
        then: @escaping (Dispatcher) -> Void
    ) {
        let again = { (dispatcher: Dispatcher) in
            dispatcher.bounce(
                failures, of: message, original: original, alongside: writes, arriving: arriving,
                then: then)
        }
        guard let id = nextMessageID() else {
            // The next block of ids is on its way, or comes when the spool is well again.
            return after(.milliseconds(100), again)
        }
        let body = bounceBody(id: id, failures, of: message, original: original)
        let submission = Submission(
            id: id, sender: "", recipients: [StoredRecipient(address: message.sender)],
            eightBit: true, utf8: message.utf8, leadingDots: true, ret: "", envelopeID: "",
            client: "bounce of \(message.id)", body: body)
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

    private func bounceBody(
        id: MessageID, _ failures: [FailedRecipient], of message: MessageRecord,
        original: ByteBuffer?
    ) -> ByteBuffer {
        let now = clocks.wall()
        let notification = DeliveryStatusNotification(
            kind: .failed, id: id.description, reportingMTA: configuration.hostname,
            sender: message.sender, envelopeID: message.envelopeID, arrival: message.receivedAt,
            date: now,
            recipients: failures.map { failure in
                DeliveryStatusNotification.Recipient(
                    address: failure.recipient.address,
                    originalRecipient: failure.recipient.originalRecipient,
                    reply: Reply(stored: failure.reply), status: EnhancedCode.parse(failure.status),
                    remoteMTA: failure.remote, lastAttempt: now)
            },
            original: original.map { Array($0.readableBytesView) } ?? [],
            returnFull: message.ret == "FULL")
        return ByteBuffer(bytes: notification.render())
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
