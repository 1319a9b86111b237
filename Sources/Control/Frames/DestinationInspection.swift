package import Mail
package import NIOCore

/// What the connections of a destination do, and what is due there next.
package struct DestinationInspection: Sendable, Equatable {
    package var connections: [ConnectionReport] = []
    /// The latest first.
    package var contacts: [ContactReport] = []
    /// In the order in which they become due.
    package var due: [DueReport] = []

    package init() {}
}

package struct ConnectionReport: Sendable, Equatable {
    /// 0 for an attempt that has none yet.
    package var number: Int
    package var remote: String
    package var phase: String
    package var since: UnixTime
    package var openedAt: UnixTime
    package var delivery: DeliveryID?
    package var tls: String
    package var transactions: Int

    package init(
        number: Int, remote: String, phase: String, since: UnixTime, openedAt: UnixTime,
        delivery: DeliveryID?, tls: String, transactions: Int
    ) {
        self.number = number
        self.remote = remote
        self.phase = phase
        self.since = since
        self.openedAt = openedAt
        self.delivery = delivery
        self.tls = tls
        self.transactions = transactions
    }
}

package struct ContactReport: Sendable, Equatable {
    package var remote: String
    package var at: UnixTime
    package var tls: String
    /// Empty where it could be used.
    package var problem: String

    package init(remote: String, at: UnixTime, tls: String, problem: String) {
        self.remote = remote
        self.at = at
        self.tls = tls
        self.problem = problem
    }
}

package struct DueReport: Sendable, Equatable {
    package var delivery: DeliveryID
    package var at: UnixTime

    package init(delivery: DeliveryID, at: UnixTime) {
        self.delivery = delivery
        self.at = at
    }
}

extension DestinationInspection: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        connections.write(to: &buffer)
        contacts.write(to: &buffer)
        due.write(to: &buffer)
    }

    package static func read(
        from buffer: inout ByteBuffer
    ) throws(FrameError) -> DestinationInspection {
        var inspection = DestinationInspection()
        inspection.connections = try [ConnectionReport].read(from: &buffer)
        inspection.contacts = try [ContactReport].read(from: &buffer)
        inspection.due = try [DueReport].read(from: &buffer)
        return inspection
    }
}

extension ConnectionReport: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        number.write(to: &buffer)
        remote.write(to: &buffer)
        phase.write(to: &buffer)
        since.write(to: &buffer)
        openedAt.write(to: &buffer)
        delivery.write(to: &buffer)
        tls.write(to: &buffer)
        transactions.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> ConnectionReport {
        ConnectionReport(
            number: try Int.read(from: &buffer), remote: try String.read(from: &buffer),
            phase: try String.read(from: &buffer), since: try UnixTime.read(from: &buffer),
            openedAt: try UnixTime.read(from: &buffer),
            delivery: try Optional<DeliveryID>.read(from: &buffer),
            tls: try String.read(from: &buffer), transactions: try Int.read(from: &buffer))
    }
}

extension ContactReport: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        remote.write(to: &buffer)
        at.write(to: &buffer)
        tls.write(to: &buffer)
        problem.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> ContactReport {
        ContactReport(
            remote: try String.read(from: &buffer), at: try UnixTime.read(from: &buffer),
            tls: try String.read(from: &buffer), problem: try String.read(from: &buffer))
    }
}

extension DueReport: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        delivery.write(to: &buffer)
        at.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> DueReport {
        DueReport(
            delivery: try DeliveryID.read(from: &buffer), at: try UnixTime.read(from: &buffer))
    }
}
