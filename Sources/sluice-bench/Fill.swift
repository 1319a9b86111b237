import ArgumentParser
import Control
import Glibc
import Mail
import NIOCore
import Scheduler
import Spool

/// Fills a spool as a long outage does, without a daemon and without SMTP: a million deliveries in
/// seconds.
struct Fill: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fill the spool of a daemon that is not running with mail for dead destinations.",
        discussion: """
            Every message has one recipient, in one of the domains d1.DOMAIN, d2.DOMAIN …, each of \
            which is a destination of its own (the daemon needs group_by = "domain"). All have \
            been tried once; they are due again at times that spread over an hour.
            """)

    @Option(help: "The daemon's data_dir.")
    var dataDir: String

    @Option(help: "Messages.")
    var count = 1_000_000

    @Option(help: "Destinations.")
    var destinations = 1000

    @Option(help: "Bytes of a message.")
    var size = 1024

    @Option(help: "What the destinations are named after.")
    var domain = "dead.test"

    @Option(help: "Seconds until the first of them is due.")
    var dueIn = 3600

    /// Messages in one transaction.
    private static let batch = 20_000

    func validate() throws {
        guard count > 0, destinations > 0, size > 0, dueIn >= 0 else {
            throw ValidationError("count, destinations and size are at least 1, due-in at least 0")
        }
    }

    func run() throws {
        // One writer and no reader: a large log is copied once, and pages once each.
        let spool = try SQLiteSpool(
            directory: dataDir,
            options: SQLiteSpool.Options(
                cacheBytes: 512 << 20, checkpointPages: 200_000, keepsIndex: false))
        defer { spool.close() }
        let start = Clocks.system.monotonic()
        let now = Clocks.system.wall()
        let first = (try spool.destinations().map(\.id).max() ?? 0) + 1
        try spool.commit(
            (0..<destinations).map { number in
                let name = self.name(number)
                return .destination(
                    DestinationRecord(
                        id: first + Int64(number), identity: name, name: name, domains: [name]))
            })
        let ids = try spool.reserveMessageIDs(count)
        let body = self.body
        var done = 0
        while done < count {
            let writes = (done..<min(done + Self.batch, count)).flatMap { index in
                self.writes(
                    MessageID(rawValue: ids.lowerBound + Int64(index)), index,
                    firstDestination: first, body: body, at: now)
            }
            try spool.commit(writes)
            done += writes.count / 2
        }
        let seconds = Double((Clocks.system.monotonic() - start).nanoseconds) / 1e9
        print("\(count) deliveries for \(destinations) destinations in \(Int(seconds * 10) / 10) s")
    }

    private func name(_ number: Int) -> String { "d\(number + 1).\(domain)" }

    private var body: ByteBuffer {
        var body = ByteBuffer(string: "From: <sender@bench.test>\r\nSubject: bench\r\n\r\n")
        while body.readableBytes < size {
            body.writeRepeatingByte(UInt8(ascii: "x"), count: min(70, size - body.readableBytes))
            body.writeString("\r\n")
        }
        return body
    }

    private func writes(
        _ id: MessageID, _ index: Int, firstDestination: Int64, body: ByteBuffer, at now: UnixTime
    ) -> [SpoolWrite] {
        let number = index % destinations
        // Older ones first, a day for all.
        let received = now + .seconds(-86_400) + .milliseconds(index % 86_400_000)
        let due = now + .seconds(dueIn) + .milliseconds(index * 7919 % 3_600_000)
        let delivery = DeliveryID(message: id, ordinal: 0)
        return [
            .accept(
                NewMessage(
                    record: MessageRecord(
                        id: id, sender: "sender\(index % 100)@bench.test", receivedAt: received,
                        expiresAt: received + .seconds(5 * 86_400), size: body.readableBytes,
                        leadingDots: false, client: "bench.test [127.0.0.1]"),
                    body: body,
                    deliveries: [
                        NewDelivery(
                            id: delivery, destination: firstDestination + Int64(number),
                            domain: name(number),
                            recipients: [
                                StoredRecipient(address: "user\(index)@\(name(number))")
                            ], nextAttemptAt: due)
                    ])),
            .update(
                DeliveryUpdate(
                    id: delivery, attempts: 1, nextAttemptAt: due,
                    lastReply: index % 3 == 0
                        ? "4.4.1 Connection refused" : "451 4.3.0 Try again later",
                    recipients: nil)),
        ]
    }
}
