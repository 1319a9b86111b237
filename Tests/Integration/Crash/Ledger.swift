import Control
import Foundation
import Glibc
import Mail
import NIOCore
import Spool
import Testing

@testable import Testbed

/// What became of every recipient that a daemon has said 250 for.
struct Account: Sendable {
    var accepted = 0
    var delivered = 0
    var bounced = 0
    /// Read back from the daemon at the end.
    var queued = 0
    /// Purged by an operator, as the daemon's record of it says.
    var purged = 0
    var lost: [String] = []
    /// More than one copy of a message for a recipient: beyond the first.
    var duplicated = 0
    /// Of them, those that SMTP forces: the receiver had taken the message, and no result was on
    /// disk.
    var forced = 0
    /// Messages of which somebody had a second copy.
    var duplicatedMessages = 0

    var unforced: Int { duplicated - forced }
}

/// The receivers of a daemon, and the books that they keep.
struct Ledger: Sendable {
    let receivers: [Receiver]
    /// Where the senders, and so the bounces, belong.
    let senders: Receiver
    /// What was read before is not read again, however often a storm takes stock.
    private let reports = Shared(ReportBook())
    private let stored = Shared<[MessageID: String]>([:])

    init(receivers: [Receiver], senders: Receiver) {
        self.receivers = receivers
        self.senders = senders
    }

    /// Recipients that the receivers have taken a message for, and how often.
    var taken: [ReceivedDelivery: Int] {
        var taken = book.taken
        for receiver in receivers {
            taken.merge(receiver.statistics.deliveries) { $0 + $1 }
        }
        return taken
    }

    /// Recipients that a bounce has come for.
    var bounced: Set<ReceivedDelivery> { book.bounced }

    private var book: ReportBook {
        var book = reports.value
        book.read(senders.statistics.captured)
        reports.value = book
        return book
    }

    /// Copies that may come again, if nothing of the daemon runs any more: the receiver has the
    /// message, and neither the spool nor a journal knows.
    func unrecorded(in directory: String) async throws -> Set<ReceivedDelivery> {
        // What was sent may still be on its way through the receivers' sockets.
        try await waitUntil("the receivers have seen the last of it") {
            (receivers + [senders]).allSatisfy { $0.statistics.connectionsNow == 0 }
        }
        let taken = Set(self.taken.keys)
        var known = stored.value
        let snapshot = try SpoolSnapshot(of: directory, knowing: &known)
        stored.value = known
        return snapshot.recipients.intersection(taken)
    }

    /// - Parameters:
    ///   - accepted: The recipients of each message that was answered 250.
    ///   - forced: Copies that were allowed to come again, see `unrecorded`.
    ///   - purged: Whether an operator has purged what goes to a domain.
    func account(
        of accepted: [String: [String]], in daemon: Daemon, forced: Set<ReceivedDelivery>,
        purged: (String) -> Bool = { _ in false }
    ) async throws -> Account {
        let queued = try await daemon.queuedRecipients()
        let taken = taken
        let bounced = bounced
        var account = Account()
        for (id, recipients) in accepted {
            for recipient in recipients {
                let key = ReceivedDelivery(id: id, recipient: recipient)
                account.accepted += 1
                if taken[key] != nil {
                    account.delivered += 1
                } else if bounced.contains(key) {
                    account.bounced += 1
                } else if queued.contains(key) {
                    account.queued += 1
                } else if purged(recipient) {
                    account.purged += 1
                } else {
                    account.lost.append("\(id) \(recipient)")
                }
            }
        }
        for (key, count) in taken where count > 1 {
            account.duplicated += count - 1
            if forced.contains(key) { account.forced += 1 }
        }
        account.duplicatedMessages = Set(taken.filter { $0.value > 1 }.keys.map(\.id)).count
        return account
    }
}

/// What the reports say that came back to the senders.
private struct ReportBook {
    private(set) var taken: [ReceivedDelivery: Int] = [:]
    private(set) var bounced: Set<ReceivedDelivery> = []
    private var count = 0

    /// - Parameter captured: all of them; only ever more.
    mutating func read(_ captured: [CapturedMessage]) {
        for report in captured.dropFirst(count) { add(report) }
        count = captured.count
    }

    private mutating func add(_ report: CapturedMessage) {
        if let id = report.content.messageKey {
            for recipient in report.recipients {
                taken[ReceivedDelivery(id: id, recipient: recipient), default: 0] += 1
            }
        }
        let lines = report.text.split(whereSeparator: \.isNewline)
        let id = lines.lazy.compactMap { $0.value(of: "X-Testbed-ID") }.first
        guard let id else { return }
        for line in lines {
            guard let value = line.value(of: "Final-Recipient") else { continue }
            let address = value.split(separator: ";").last.map { $0.filter { $0 != " " } }
            bounced.insert(ReceivedDelivery(id: id, recipient: address ?? ""))
        }
    }
}

/// A copy of a spool that no process has open, read as the daemon would read it.
struct SpoolSnapshot {
    private(set) var recipients: Set<ReceivedDelivery> = []

    /// - Parameter keys: of messages that were read before; message ids are never used again.
    init(of directory: String, knowing keys: inout [MessageID: String]) throws {
        let copy = try TemporaryDirectory(prefix: "sluice-spool")
        defer { copy.remove() }
        let files = FileManager.default
        for name in ["spool.db", "spool.db-wal"]
        where files.fileExists(atPath: "\(directory)/\(name)") {
            try files.copyItem(atPath: "\(directory)/\(name)", toPath: copy.file(name))
        }
        let spool = try SQLiteSpool(directory: copy.path)
        defer { spool.close() }
        for delivery in try spool.deliveries(destination: nil, after: nil, limit: .max) {
            let message = delivery.id.message
            if keys[message] == nil { keys[message] = try spool.body(of: message)?.messageKey }
            guard let id = keys[message] else { continue }
            for recipient in delivery.recipients {
                recipients.insert(ReceivedDelivery(id: id, recipient: recipient.address))
            }
        }
    }
}

extension Daemon {
    /// All that is in the spool, whatever its state, as the daemon tells it.
    func queuedRecipients() async throws -> Set<ReceivedDelivery> {
        var queued: Set<ReceivedDelivery> = []
        var keys: [String: String] = [:]
        var seen = 0
        while true {
            let page = try await control.messages(limit: 1000, offset: seen)
            for row in page.rows {
                if keys[row.message] == nil {
                    let header = try await control.message(row.message).header
                    keys[row.message] = ByteBuffer(string: header + "\r\n\r\n").messageKey
                }
                guard let id = keys[row.message] else { continue }
                for recipient in row.recipients {
                    queued.insert(ReceivedDelivery(id: id, recipient: recipient))
                }
            }
            seen += page.rows.count
            if page.rows.isEmpty || seen >= page.total { return queued }
        }
    }

    /// Returns when no process holds the lock that workers inherit.
    func awaitWorkersEnd() async throws {
        let file = open("\(dataDirectory)/workers.lock", O_RDWR | O_CLOEXEC)
        guard file >= 0 else { return }
        defer { close(file) }
        try await waitUntil("the workers of \(dataDirectory) end") {
            guard flock(file, LOCK_EX | LOCK_NB) == 0 else { return false }
            flock(file, LOCK_UN)
            return true
        }
    }
}

extension ByteBuffer {
    /// What tells a message from others: the testbed's mark, or, in bounces, the Message-ID.
    var messageKey: String? {
        if let testbedID { return testbedID }
        for line in String(buffer: self).split(
            omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        {
            if line.isEmpty { return nil }
            if let id = line.value(of: "Message-ID") { return id }
        }
        return nil
    }
}

extension Substring {
    /// The value of a header field, if this line is one of that name.
    fileprivate func value(of field: String) -> String? {
        guard hasPrefix(field + ":") else { return nil }
        return String(dropFirst(field.count + 1).drop { $0 == " " })
    }
}
