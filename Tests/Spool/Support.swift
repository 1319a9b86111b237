import DatabaseServer
import Foundation
import Mail
import NIOCore
import PostgreSQL
import SharedSpool
import Testing

@testable import Spool

/// A directory that goes when the test ends.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        let template = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-spool-XXXXXX").path
        var bytes = Array(template.utf8CString)
        guard mkdtemp(&bytes) != nil else { throw CocoaError(.fileWriteUnknown) }
        path = String(decoding: bytes.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}

/// The implementations of `Spool`; what holds for one holds for the other.
enum Engine: String, CaseIterable, Sendable {
    case sqlite, postgreSQL

    func place() throws -> TestPlace {
        switch self {
        case .sqlite:
            let directory = try TemporaryDirectory()
            return TestPlace(place: .directory(directory.path), directory: directory)
        case .postgreSQL:
            return TestPlace(place: .database(try DatabaseServer.shared.get().createDatabase()))
        }
    }

    /// What every error of it names.
    var mention: String { self == .sqlite ? "spool.db" : "postgresql://" }
}

/// Where a test's spool lies.
struct TestPlace {
    let place: SpoolPlace
    var directory: TemporaryDirectory?

    func open() throws -> any Spool { try place.open() }

    /// Keeps the directory until then.
    func remove() {
        withExtendedLifetime(directory) {}
        if case .database(let address) = place {
            try? DatabaseServer.shared.get().drop(address)
        }
    }
}

let noon = UnixTime(milliseconds: 1_800_000_000_000)

func id(_ message: Int64, _ ordinal: UInt16 = 0) -> DeliveryID {
    DeliveryID(message: MessageID(rawValue: message), ordinal: ordinal)
}

func record(_ id: Int64, sender: String = "a@sender.example") -> MessageRecord {
    MessageRecord(
        id: MessageID(rawValue: id), sender: sender, receivedAt: noon,
        expiresAt: noon + .seconds(432_000), size: 11)
}

func delivery(
    _ id: DeliveryID, destination: Int64? = 1, domain: String = "example.com",
    to recipients: [String] = ["b@example.com"]
) -> NewDelivery {
    NewDelivery(
        id: id, destination: destination, domain: domain,
        recipients: recipients.map { StoredRecipient(address: $0) }, nextAttemptAt: noon)
}

func message(
    _ number: Int64, destinations: [Int64?] = [1], body: String = "Hi there.\r\n"
) -> NewMessage {
    NewMessage(
        record: record(number), body: ByteBuffer(string: body),
        deliveries: destinations.enumerated().map {
            delivery(id(number, UInt16($0.offset)), destination: $0.element)
        })
}

extension Spool {
    func all() throws -> [StoredDelivery] {
        try deliveries(destination: nil, after: nil, limit: .max)
    }

    func ids() throws -> [DeliveryID] { try all().map(\.id) }

    func one(_ id: DeliveryID) throws -> StoredDelivery {
        try #require(try deliveries([id]).first)
    }
}

func expectError(
    _ code: SpoolError.Code, mentions: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
) {
    do {
        try body()
        Issue.record("did not throw", sourceLocation: sourceLocation)
    } catch let error as SpoolError {
        #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
        for text in mentions {
            #expect(error.description.contains(text), "\(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record(error, sourceLocation: sourceLocation)
    }
}
