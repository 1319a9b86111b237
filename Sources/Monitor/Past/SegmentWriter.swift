import Control
import Mail
import NIOCore

/// What was answered, as records that go behind one another.
struct SegmentWriter {
    private let compression: Compression
    /// The last text of each key in this segment.
    private var bases: [String: [UInt8]] = [:]
    /// More questions than that are asked in no segment; in keys.
    private static let keyLimit = 24

    init(_ compression: Compression = Compression()) {
        self.compression = compression
    }

    mutating func segment(at time: UnixTime) -> [UInt8] {
        bases.removeAll(keepingCapacity: true)
        return Record(kind: .segment, at: time, key: "", payload: []).encoded
    }

    mutating func text(_ key: String, _ text: [UInt8], at time: UnixTime) -> [UInt8] {
        let base = bases[key]
        guard key.utf8.count <= Record.keyLimit, base != nil || bases.count < Self.keyLimit,
            let packed = compression.packed(text, after: base),
            packed.count <= Record.payloadLimit
        else { return [] }
        bases[key] = text
        return Record(
            kind: base == nil ? .whole : .change, at: time, key: key, payload: packed[...]
        ).encoded
    }

    func lines(_ subject: StreamSubject, _ items: [StreamItem], at time: UnixTime) -> [UInt8] {
        let text: ByteBuffer?
        switch subject {
        case .events:
            text = try? JSON.sorted(
                items.compactMap { if case .event(let event) = $0 { event } else { nil } })
        case .trace:
            text = try? JSON.sorted(
                items.compactMap { if case .trace(let line) = $0 { line } else { nil } })
        }
        guard let text, let key = RecordKey.of(.log(subject)), key.utf8.count <= Record.keyLimit,
            let packed = compression.packed(Array(buffer: text), after: nil),
            packed.count <= Record.payloadLimit
        else { return [] }
        return Record(kind: .lines, at: time, key: key, payload: packed[...]).encoded
    }
}

/// What one fetch brought, as texts: made once, wherever it is kept.
struct RecordedMoment {
    var at: UnixTime
    let status: [UInt8]
    let answer: (key: String, text: [UInt8])?

    /// nil where it cannot be written, as with a number that is none.
    init?(_ snapshot: Snapshot, _ question: Question?) {
        guard let status = try? JSON.sorted(snapshot.status) else { return nil }
        at = snapshot.status.at
        self.status = Array(buffer: status)
        if let question, let key = RecordKey.of(question), let text = snapshot.answer?.text() {
            answer = (key, text)
        } else {
            answer = nil
        }
    }
}
