import Mail
package import NIOCore
import Scheduler

extension Assignment: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        destination.write(to: &buffer)
        identity.write(to: &buffer)
        name.write(to: &buffer)
        domains.write(to: &buffer)
        snapshot.write(to: &buffer)
        pausedBy.write(to: &buffer)
        pausedUntil.write(to: &buffer)
        pauseReason.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Assignment {
        Assignment(
            destination: try Int64.read(from: &buffer),
            identity: try String.read(from: &buffer),
            name: try String.read(from: &buffer),
            domains: try [String].read(from: &buffer),
            snapshot: try [UInt8].read(from: &buffer),
            pausedBy: try Optional<String>.read(from: &buffer),
            pausedUntil: try Optional<UnixTime>.read(from: &buffer),
            pauseReason: try String.read(from: &buffer))
    }
}

extension QueuedDelivery: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        id.write(to: &buffer)
        destination.write(to: &buffer)
        due.write(to: &buffer)
        received.write(to: &buffer)
        attempts.write(to: &buffer)
        size.write(to: &buffer)
        senderHash.write(to: &buffer)
        priority.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> QueuedDelivery {
        QueuedDelivery(
            id: try DeliveryID.read(from: &buffer),
            destination: try Int64.read(from: &buffer),
            due: try UnixTime.read(from: &buffer),
            received: try UnixTime.read(from: &buffer),
            attempts: try Int.read(from: &buffer),
            size: try Int.read(from: &buffer),
            senderHash: try UInt32.read(from: &buffer),
            priority: Int(try Int8.read(from: &buffer)))
    }
}

extension JobRecipient: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        address.write(to: &buffer)
        notify.write(to: &buffer)
        originalRecipient.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> JobRecipient {
        JobRecipient(
            address: try String.read(from: &buffer),
            notify: try String.read(from: &buffer),
            originalRecipient: try String.read(from: &buffer))
    }
}

extension Job: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        domain.write(to: &buffer)
        sender.write(to: &buffer)
        recipients.write(to: &buffer)
        eightBit.write(to: &buffer)
        utf8.write(to: &buffer)
        leadingDots.write(to: &buffer)
        ret.write(to: &buffer)
        envelopeID.write(to: &buffer)
        body.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Job {
        Job(
            domain: try String.read(from: &buffer),
            sender: try String.read(from: &buffer),
            recipients: try [JobRecipient].read(from: &buffer),
            eightBit: try Bool.read(from: &buffer),
            utf8: try Bool.read(from: &buffer),
            leadingDots: try Bool.read(from: &buffer),
            ret: try String.read(from: &buffer),
            envelopeID: try String.read(from: &buffer),
            body: try ByteBuffer.read(from: &buffer))
    }
}

extension Load: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        destinations.write(to: &buffer)
        queued.write(to: &buffer)
        connections.write(to: &buffer)
        cpuMicroseconds.write(to: &buffer)
        residentBytes.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Load {
        Load(
            destinations: try Int.read(from: &buffer),
            queued: try Int.read(from: &buffer),
            connections: try Int.read(from: &buffer),
            cpuMicroseconds: try Int64.read(from: &buffer),
            residentBytes: try Int64.read(from: &buffer))
    }
}

extension ExchangerRecord: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        host.write(to: &buffer)
        preference.write(to: &buffer)
        addresses.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> ExchangerRecord {
        ExchangerRecord(
            host: try String.read(from: &buffer),
            preference: try UInt16.read(from: &buffer),
            addresses: try [String].read(from: &buffer))
    }
}

extension AttemptReport: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        number.write(to: &buffer)
        delivery.write(to: &buffer)
        destination.write(to: &buffer)
        disposition.write(to: &buffer)
        attempts.write(to: &buffer)
        due.write(to: &buffer)
        remote.write(to: &buffer)
        tls.write(to: &buffer)
        milliseconds.write(to: &buffer)
        recipients.write(to: &buffer)
        reply.write(to: &buffer)
        rule.write(to: &buffer)
        at.write(to: &buffer)
        trail.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> AttemptReport {
        var report = AttemptReport(
            number: try UInt64.read(from: &buffer),
            delivery: try DeliveryID.read(from: &buffer),
            destination: try Int64.read(from: &buffer),
            disposition: try Disposition.read(from: &buffer),
            attempts: try Int.read(from: &buffer),
            due: try UnixTime.read(from: &buffer),
            remote: try String.read(from: &buffer),
            tls: try String.read(from: &buffer),
            milliseconds: try Int.read(from: &buffer),
            recipients: try [RecipientReport].read(from: &buffer),
            reply: try String.read(from: &buffer),
            rule: try String.read(from: &buffer),
            at: try UnixTime.read(from: &buffer))
        report.trail = try AttemptTrail.read(from: &buffer)
        return report
    }
}

extension AttemptTrail: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        sender.write(to: &buffer)
        recipients.write(to: &buffer)
        connect.write(to: &buffer)
        mail.write(to: &buffer)
        data.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> AttemptTrail {
        var trail = AttemptTrail()
        trail.sender = try String.read(from: &buffer)
        trail.recipients = try [String].read(from: &buffer)
        trail.connect = try Optional<Int>.read(from: &buffer)
        trail.mail = try Optional<Int>.read(from: &buffer)
        trail.data = try Optional<Int>.read(from: &buffer)
        return trail
    }
}

extension DestinationReport: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        destination.write(to: &buffer)
        ready.write(to: &buffer)
        delayed.write(to: &buffer)
        running.write(to: &buffer)
        connections.write(to: &buffer)
        window.write(to: &buffer)
        limit.write(to: &buffer)
        tokens.write(to: &buffer)
        burst.write(to: &buffer)
        rate.write(to: &buffer)
        breaker.write(to: &buffer)
        breakerUntil.write(to: &buffer)
        failures.write(to: &buffer)
        nextDue.write(to: &buffer)
        oldest.write(to: &buffer)
        suspended.write(to: &buffer)
        latestDue.write(to: &buffer)
        learnedRate.write(to: &buffer)
        learnedConnectionRate.write(to: &buffer)
        waits.write(to: &buffer)
        exchangers.write(to: &buffer)
        snapshot.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> DestinationReport
    {
        DestinationReport(
            destination: try Int64.read(from: &buffer),
            ready: try Int.read(from: &buffer),
            delayed: try Int.read(from: &buffer),
            running: try [DeliveryID].read(from: &buffer),
            connections: try Int.read(from: &buffer),
            window: try Int.read(from: &buffer),
            limit: try Int.read(from: &buffer),
            tokens: try Optional<Double>.read(from: &buffer),
            burst: try Optional<Double>.read(from: &buffer),
            rate: try Optional<Double>.read(from: &buffer),
            breaker: try UInt8.read(from: &buffer),
            breakerUntil: try Optional<UnixTime>.read(from: &buffer),
            failures: try Int.read(from: &buffer),
            nextDue: try Optional<UnixTime>.read(from: &buffer),
            oldest: try Optional<UnixTime>.read(from: &buffer),
            suspended: try Int.read(from: &buffer),
            latestDue: try Optional<UnixTime>.read(from: &buffer),
            learnedRate: try Optional<Double>.read(from: &buffer),
            learnedConnectionRate: try Optional<Double>.read(from: &buffer),
            waits: try [Why].read(from: &buffer),
            exchangers: try [String].read(from: &buffer),
            snapshot: try [UInt8].read(from: &buffer))
    }
}

extension Why: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        kind.write(to: &buffer)
        text.write(to: &buffer)
        until.write(to: &buffer)
        (detail == nil ? UInt8(0) : 1).write(to: &buffer)
        guard let detail else { return }
        detail.by.write(to: &buffer)
        detail.reason.write(to: &buffer)
        detail.reply.write(to: &buffer)
        detail.attempts.write(to: &buffer)
        detail.rate.write(to: &buffer)
        detail.burst.write(to: &buffer)
        detail.busy.write(to: &buffer)
        detail.window.write(to: &buffer)
        detail.limit.write(to: &buffer)
        detail.deliveries.write(to: &buffer)
        detail.worker.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Why {
        var why = Why(
            kind: try String.read(from: &buffer), text: try String.read(from: &buffer),
            until: try Optional<UnixTime>.read(from: &buffer))
        guard try Bool.read(from: &buffer) else { return why }
        var detail = Wait.Facts()
        detail.by = try Optional<String>.read(from: &buffer)
        detail.reason = try Optional<String>.read(from: &buffer)
        detail.reply = try Optional<String>.read(from: &buffer)
        detail.attempts = try Optional<Int>.read(from: &buffer)
        detail.rate = try Optional<Double>.read(from: &buffer)
        detail.burst = try Optional<Double>.read(from: &buffer)
        detail.busy = try Optional<Int>.read(from: &buffer)
        detail.window = try Optional<Int>.read(from: &buffer)
        detail.limit = try Optional<Int>.read(from: &buffer)
        detail.deliveries = try Optional<Int>.read(from: &buffer)
        detail.worker = try Optional<Int>.read(from: &buffer)
        why.detail = detail
        return why
    }
}

extension RecipientReport: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        outcome.write(to: &buffer)
        reply.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> RecipientReport {
        RecipientReport(
            outcome: try Outcome.read(from: &buffer),
            reply: try String.read(from: &buffer))
    }
}

/// An enumeration of small numbers.
extension RawRepresentable where RawValue == UInt8, Self: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(rawValue)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Self {
        let raw = try UInt8.read(from: &buffer)
        guard let value = Self(rawValue: raw) else { throw FrameError("unknown value \(raw)") }
        return value
    }
}

extension RecipientReport.Outcome: FrameField {}
extension AttemptReport.Disposition: FrameField {}

extension RouteResult: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        switch self {
        case .exchangers(let exchangers, let ttl):
            UInt8(0).write(to: &buffer)
            exchangers.write(to: &buffer)
            ttl.write(to: &buffer)
        case .permanent(let code, let text):
            UInt8(1).write(to: &buffer)
            code.write(to: &buffer)
            text.write(to: &buffer)
        case .temporary(let text):
            UInt8(2).write(to: &buffer)
            text.write(to: &buffer)
        }
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> RouteResult {
        switch try UInt8.read(from: &buffer) {
        case 0:
            .exchangers(
                try [ExchangerRecord].read(from: &buffer), ttl: try Int.read(from: &buffer))
        case 1:
            .permanent(code: try String.read(from: &buffer), text: try String.read(from: &buffer))
        case 2: .temporary(try String.read(from: &buffer))
        case let other: throw FrameError("unknown route result \(other)")
        }
    }
}
