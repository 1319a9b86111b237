import Foundation
import GRDB
import Mail
import NIOCore
import Testing

@testable import Spool

/// Damage of pages, as disks and crashes make it: every message that can be read is kept.
@Suite struct SpoolSalvageTests {
    private static let count: Int64 = 300
    let directory: TemporaryDirectory
    let target: TemporaryDirectory
    private let new: String
    private let whole: [StoredDelivery]

    /// Enough messages for tables of many pages; every tenth fills pages of its own.
    init() throws {
        directory = try TemporaryDirectory()
        target = try TemporaryDirectory()
        new = target.file("new")
        let spool = try SQLiteSpool(directory: directory.path)
        _ = try spool.reserveMessageIDs(Int(Self.count))
        let destination = DestinationRecord(
            id: 1, identity: "192.0.2.1", name: "example.com", domains: ["example.com"])
        try spool.commit(
            [.destination(destination)]
                + (1...Self.count).map { number in
                    var message = message(number, destinations: [1, nil], body: Self.body(number))
                    message.record.size = message.body.readableBytes
                    return .accept(message)
                })
        try spool.commit(
            (1...Self.count).flatMap { number in
                [
                    SpoolWrite.update(
                        DeliveryUpdate(
                            id: id(number), attempts: 1, nextAttemptAt: noon,
                            lastReply: "450 no", recipients: nil)),
                    .attempt(Self.attempt(number)),
                ]
            })
        whole = try spool.all()
        spool.close()
    }

    private static func attempt(_ number: Int64) -> StoredAttempt {
        StoredAttempt(delivery: id(number), number: 1, at: noon, reply: "450 no \(number)")
    }

    private static func body(_ number: Int64) -> String {
        String(repeating: "Line \(number).\r\n", count: number % 10 == 0 ? 900 : 3)
    }

    private func spoil(_ change: (inout Data) -> Void) throws {
        let file = URL(fileURLWithPath: directory.file("spool.db"))
        var bytes = try Data(contentsOf: file)
        change(&bytes)
        try bytes.write(to: file)
    }

    /// The pages of a table or an index.
    private func pages(_ name: String, _ type: String) throws -> [Int] {
        let queue = try DatabaseQueue(path: directory.file("spool.db"))
        defer { try? queue.close() }
        return try queue.read {
            try Int.fetchAll(
                $0,
                sql: "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path",
                arguments: [name, type])
        }
    }

    private func salvage() throws -> (SpoolSalvage, [StoredDelivery]) {
        let salvage = try SpoolSalvage(directory: directory.path, into: new, smallSteps: 2000)
        let spool = try SQLiteSpool(directory: new)
        defer { spool.close() }
        let saved = try spool.all()
        for delivery in saved {
            let body = try spool.body(of: delivery.message.id)
            #expect(body.map { String(buffer: $0) } == Self.body(delivery.message.id.rawValue))
            let attempts = try spool.attempts(of: delivery.message.id)
            let isKnown = attempts == [Self.attempt(delivery.message.id.rawValue)]
            #expect(isKnown || attempts.isEmpty && !salvage.losses.isEmpty)
        }
        #expect(try spool.reserveMessageIDs(1).lowerBound == Self.count + 1)
        return (salvage, saved)
    }

    @Test func aGoodSpoolIsCopied() throws {
        let (salvage, saved) = try salvage()
        #expect(salvage.losses.isEmpty && salvage.check.findings.isEmpty)
        #expect(saved == whole)
    }

    /// One page of each kind, in the middle of its table.
    @Test(arguments: ["leaf", "internal"])
    func aPageOfDeliveries(type: String) throws {
        let pages = try pages("deliveries", type)
        let page = try #require(type == "leaf" ? pages.dropFirst(3).first : pages.first)
        try spoil { $0.replaceSubrange((page - 1) * 4096..<page * 4096, with: Data(count: 4096)) }
        #expect(try !SpoolCheck(directory: directory.path, repairs: false).isGood)
        let before = try Data(contentsOf: URL(fileURLWithPath: directory.file("spool.db")))

        let (salvage, saved) = try salvage()
        #expect(!salvage.losses.isEmpty)
        #expect(Set(saved).isSubset(of: whole))
        if type == "leaf" {
            // What stood on other pages is all there, and the texts of the rest are files.
            #expect((whole.count - 60..<whole.count).contains(saved.count))
            let lost = Set(whole.map(\.message.id)).subtracting(saved.map(\.message.id))
            let kept = try FileManager.default.contentsOfDirectory(atPath: new + "/recovered")
            #expect(Set(kept) == Set(lost.map { "\($0).eml" }))
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: directory.file("spool.db"))) == before)
    }

    @Test func aPageOfAttempts() throws {
        let page = try #require(try pages("attempts", "leaf").dropFirst().first)
        try spoil { $0.replaceSubrange((page - 1) * 4096..<page * 4096, with: Data(count: 4096)) }
        let (salvage, saved) = try salvage()
        #expect(saved == whole)
        #expect(salvage.losses.count == 1)
        #expect(salvage.losses.first?.hasPrefix("what was tried for ") == true)
    }

    @Test func aPageOfTexts() throws {
        let page = try #require(try pages("bodies", "leaf").dropFirst(2).first)
        try spoil { $0.replaceSubrange((page - 1) * 4096..<page * 4096, with: Data(count: 4096)) }
        let (salvage, saved) = try salvage()
        let lost = whole.filter { !saved.contains($0) }
        #expect(!lost.isEmpty && lost.count < 200)
        for delivery in lost {
            #expect(
                salvage.losses.contains {
                    $0.contains("delivery \(delivery.id)") && $0.contains("<b@example.com>")
                })
        }
    }

    @Test func aTruncatedFile() throws {
        try spoil { $0.removeLast($0.count / 4096 / 3 * 4096) }
        let (salvage, saved) = try salvage()
        #expect(!salvage.losses.isEmpty)
        #expect(!saved.isEmpty && Set(saved).isSubset(of: whole))
    }

    /// Every spool is either refused as none or gives up a subset of what it held.
    @Test(arguments: 1...12)
    func flippedBits(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        try spoil { bytes in
            for _ in 0..<20 {
                let place = 4096 + Int(random.next() % UInt64(bytes.count - 4096))
                bytes[place] ^= 1 << UInt8(random.next() % 8)
            }
        }
        do {
            let check = try SpoolCheck(directory: directory.path, repairs: false)
            let salvage = try SpoolSalvage(directory: directory.path, into: new, smallSteps: 2000)
            #expect(check.isGood || !salvage.losses.isEmpty || salvage.check.deliveries > 0)
            let spool = try SQLiteSpool(directory: new)
            // An ordinal may be another, but not the message.
            let saved = Set(try spool.ids().map(\.message))
            #expect(saved.isSubset(of: whole.map(\.message.id)))
            spool.close()
        } catch let error as SpoolError {
            #expect(error.code == .damaged, "\(error)")
        }
    }

    /// Any byte of the header but those that say what the file holds: all of the mail is there.
    @Test(arguments: [0..<16, 16..<18, 18..<20, 20..<24, 44..<48, 56..<60, 68..<72, 0..<24])
    func aDamagedHeader(_ range: Range<Int>) throws {
        try spoil { for place in range { $0[place] ^= 0xFF } }
        let before = try Data(contentsOf: URL(fileURLWithPath: directory.file("spool.db")))
        let (salvage, saved) = try salvage()
        #expect(saved == whole)
        #expect(salvage.losses.count == 1 && salvage.losses[0].hasPrefix("the header of the file"))
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: directory.file("spool.db"))) == before)
        let files = try FileManager.default.contentsOfDirectory(atPath: new)
        #expect(!files.contains { $0.hasPrefix("salvage-") }, "\(files)")
    }

    @Test func aFileOfSomethingElse() throws {
        try spoil { $0 = Data(repeating: 0x5A, count: $0.count) }
        expectError(.damaged, mentions: "restore a backup") {
            _ = try SpoolSalvage(directory: directory.path, into: new)
        }
        #expect(try !FileManager.default.contentsOfDirectory(atPath: new).contains("spool.db"))
    }

    @Test func theTargetIsNew() throws {
        _ = try SpoolSalvage(directory: directory.path, into: new)
        expectError(.refused, mentions: "spool.db", "new directory") {
            _ = try SpoolSalvage(directory: directory.path, into: new)
        }
        expectError(.unusable, mentions: "nowhere") {
            _ = try SpoolSalvage(directory: directory.path, into: target.file("nowhere/new"))
        }
        let spool = try SQLiteSpool(directory: directory.path)
        defer { spool.close() }
        expectError(.inUse) {
            _ = try SpoolSalvage(directory: directory.path, into: target.file("other"))
        }
    }
}
