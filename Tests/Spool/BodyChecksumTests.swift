import Foundation
import GRDB
import Mail
import NIOCore
import Testing

@testable import Spool

@Suite struct BodyChecksumTests {
    private func checksum(_ bytes: [UInt8]) -> Int64 { bytes.withUnsafeBytes(BodyChecksum.of) }

    /// RFC 3720, appendix B.4, which writes the bytes of the result in reverse.
    @Test func theVectorsOfTheStandard() {
        #expect(checksum([]) == 0)
        #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(checksum(Array(0..<32)) == 0x46DD_794E)
        #expect(checksum(Array("123456789".utf8)) == 0xE306_9283)
    }

    /// Every single bit counts, wherever it is.
    @Test func aFlippedBitIsNoticed() throws {
        let directory = try TemporaryDirectory()
        let text = [UInt8]("Subject: x\r\n\r\nHello.\r\n".utf8)
        var spool = try SQLiteSpool(directory: directory.path)
        try spool.commit([.accept(message(1, body: String(decoding: text, as: UTF8.self)))])
        #expect(try spool.body(of: MessageID(rawValue: 1)) == ByteBuffer(bytes: text))
        for position in text.indices {
            spool.close()
            var flipped = text
            flipped[position] ^= 1 << UInt8(position % 8)
            let queue = try DatabaseQueue(path: directory.file("spool.db"))
            try queue.write { database in
                try database.execute(
                    sql: "UPDATE bodies SET data = ?", arguments: [Data(flipped)])
            }
            try queue.close()
            spool = try SQLiteSpool(directory: directory.path)
            expectError(.damaged, mentions: "message 1", "checksum") {
                _ = try spool.body(of: MessageID(rawValue: 1))
            }
        }
        spool.close()
    }
}
