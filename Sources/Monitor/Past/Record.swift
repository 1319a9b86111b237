import CChecksum
import Mail

/// One record of a recording, in memory or in a file. docs/recording.md describes the bytes.
struct Record {
    enum Kind: UInt8 {
        /// A segment begins: what follows needs nothing that came before.
        case segment = 0
        /// A text by itself, and one that was compressed against the one before it of its key.
        case whole = 1
        case change = 2
        /// Lines of something that was followed, to be kept beside those before.
        case lines = 3
    }

    static let headerSize = 24
    /// Of a key and of a payload, in bytes: more is damage.
    static let keyLimit = 8192
    static let payloadLimit = 16 << 20
    /// By which a reader finds the next record behind damage.
    static let marker: [UInt8] = [0xF5, 0x53, 0x4C, 0x52]

    var kind: Kind
    var at: UnixTime
    var key: String
    var payload: ArraySlice<UInt8>

    /// Its bytes: the marker, a CRC-32C of all that follows it, the rest of the head, the key, the
    /// payload. Numbers are little-endian.
    var encoded: [UInt8] {
        let key = Array(key.utf8)
        var rest: [UInt8] = [kind.rawValue, 0]
        rest += Self.bytes(UInt64(key.count), 2)
        rest += Self.bytes(UInt64(bitPattern: at.milliseconds), 8)
        rest += Self.bytes(UInt64(payload.count), 4)
        rest += key
        rest += payload
        return Self.marker + Self.bytes(UInt64(Self.checksum(rest[...])), 4) + rest
    }

    enum Reading {
        /// And where the next one begins.
        case record(Record, next: Int)
        /// There are not all of its bytes.
        case incomplete
        case damaged
    }

    /// The record that begins at `start`.
    static func read(_ bytes: ArraySlice<UInt8>, at start: Int) -> Reading {
        let body = start + headerSize
        guard body <= bytes.endIndex else { return .incomplete }
        guard bytes[start..<(start + 4)].elementsEqual(marker) else { return .damaged }
        let keyCount = Int(number(bytes[(start + 10)..<(start + 12)]))
        let time = Int64(bitPattern: number(bytes[(start + 12)..<(start + 20)]))
        let count = Int(number(bytes[(start + 20)..<body]))
        guard let kind = Kind(rawValue: bytes[start + 8]), keyCount <= keyLimit,
            count <= payloadLimit
        else { return .damaged }
        let end = body + keyCount + count
        guard end <= bytes.endIndex else { return .incomplete }
        let sum = number(bytes[(start + 4)..<(start + 8)])
        guard sum == UInt64(checksum(bytes[(start + 8)..<end])) else { return .damaged }
        return .record(
            Record(
                kind: kind, at: UnixTime(milliseconds: time),
                key: String(decoding: bytes[body..<(body + keyCount)], as: UTF8.self),
                payload: bytes[(body + keyCount)..<end]), next: end)
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.withUnsafeBytes { sluice_crc32c($0.baseAddress, $0.count) }
    }

    private static func bytes(_ number: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) }
    }

    static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
