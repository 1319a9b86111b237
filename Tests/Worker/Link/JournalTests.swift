import Control
import Foundation
import Mail
import NIOCore
import Testing

@testable import Worker

@Suite struct JournalTests {
    @Test func whatIsAppendedCanBeReadAsFrames() throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-journal-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let journal = Journal(directory: path, worker: 3)
        #expect(journal.path.hasPrefix(path + "/worker-3-"))
        #expect(journal.path.hasSuffix(".journal"))
        try journal.append([])
        #expect(!FileManager.default.fileExists(atPath: journal.path))
        let one = attemptReport(DeliveryID(rawValue: 1))
        let two = attemptReport(DeliveryID(rawValue: 2))
        try journal.append([one])
        try journal.append([two, one])
        var buffer = ByteBuffer(
            bytes: try Data(contentsOf: URL(fileURLWithPath: journal.path)))
        var reports: [AttemptReport] = []
        while case .results(let some)? = try FrameDecoder.next(in: &buffer) { reports += some }
        #expect(reports == [one, two, one])
        #expect(buffer.readableBytes == 0)
    }
}
