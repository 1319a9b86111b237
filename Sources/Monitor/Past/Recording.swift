import Glibc
import Mail
import Synchronization

/// A recording that is read. Only the places of its segments are kept in memory.
package final class Recording: Archive {
    package let path: String
    /// What is wrong with it; nil: it can be read to its end. What is readable is shown.
    package let problem: String?
    private let reader: Mutex<StripReader<FileStrip>>

    /// Throws if nothing of it can be shown.
    package init(path: String) throws(RecordingError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RecordingError("\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        let file = OpenFile(descriptor)
        let head = file.read(RecordingFormat.headSize, at: 0)
        guard head.prefix(RecordingFormat.magic.count).elementsEqual(RecordingFormat.magic),
            head.count == RecordingFormat.headSize
        else { throw RecordingError("\(path) is not a recording of sluice top --record") }
        let version = Int(head[8]) | Int(head[9]) << 8
        guard version == RecordingFormat.version else {
            throw RecordingError(
                "\(path) has version \(version) of the format, this sluice reads version "
                    + "\(RecordingFormat.version): use the sluice that wrote it")
        }
        var index = RecordingIndex()
        index.build(file)
        guard !index.places.isEmpty, index.hasStatus else {
            throw RecordingError(
                "\(path) holds nothing that can be shown"
                    + (index.problem.map { ": \($0)" } ?? ""))
        }
        self.path = path
        problem = index.problem
        let strip = FileStrip(file: file, places: index.places, end: index.end)
        reader = Mutex(StripReader(strip))
    }

    package func recall(_ time: PastTime, _ question: Question?) -> Recollection? {
        reader.withLock { reader in
            var found = reader.recall(time, question)
            if let problem { found?.problem = problem }
            return found
        }
    }
}

/// A file that is closed when nobody has it.
final class OpenFile: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    var size: Int {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }

    /// Fewer where it ends before.
    func read(_ count: Int, at offset: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: max(1, count)) { buffer, filled in
            while filled < count {
                let got = pread(
                    descriptor, buffer.baseAddress.map { $0 + filled }, count - filled,
                    off_t(offset + filled))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else { return }
                filled += got
            }
        }
    }
}

/// Where the segments of a file begin.
struct RecordingIndex {
    struct Place: Hashable, Sendable {
        var at: UnixTime
        var offset: Int
        /// To its last whole record.
        var end: Int
    }

    private(set) var places: [Place] = []
    private(set) var end = UnixTime(milliseconds: 0)
    private(set) var hasStatus = false
    private(set) var problem: String?

    /// Segments in a file of any length, in memory: more of them are taken two as one.
    private static let limit = 65_536
    private static let block = 1 << 20

    /// Reads it once from its beginning to its end.
    mutating func build(_ file: OpenFile) {
        var buffer = file.read(Self.block, at: RecordingFormat.headSize)
        var start = RecordingFormat.headSize
        var place = 0
        /// Behind damage the next segment is looked for.
        var isLost = false
        while true {
            switch Record.read(buffer[...], at: place) {
            case .record(let record, let next):
                if record.kind == .segment {
                    isLost = false
                    if record.at >= end || places.isEmpty { add(record.at, at: start + place) }
                }
                if !isLost, !places.isEmpty {
                    places[places.count - 1].end = start + next
                    if record.kind != .segment {
                        end = max(end, record.at)
                        if record.key == RecordKey.status { hasStatus = true }
                    }
                }
                place = next
            case .damaged:
                tell("it is damaged at byte \(start + place)")
                isLost = true
                let after = buffer[(place + 1)...]
                place = Self.marker(in: after) ?? max(place + 1, buffer.count - 3)
            case .incomplete:
                // The rest of it is further on, unless the file ends here.
                let needed = Self.block + (buffer.count - place)
                let more = file.read(min(needed, 64 << 20), at: start + place)
                if more.count <= buffer.count - place {
                    // A length that is damaged may reach beyond the end.
                    if let next = Self.marker(in: buffer[min(place + 1, buffer.count)...]) {
                        tell("it is damaged at byte \(start + place)")
                        isLost = true
                        place = next
                        continue
                    }
                    if !more.isEmpty {
                        tell("it ends within a record, at byte \(start + place + more.count)")
                    }
                    return
                }
                start += place
                place = 0
                buffer = more
            }
        }
    }

    private mutating func tell(_ what: String) {
        problem = problem ?? what + ": what is readable is shown"
    }

    private static func marker(in bytes: ArraySlice<UInt8>) -> Int? {
        guard bytes.count >= 4 else { return nil }
        return (bytes.startIndex...(bytes.endIndex - 4)).first {
            bytes[$0] == Record.marker[0]
                && bytes[$0..<($0 + 4)].elementsEqual(Record.marker)
        }
    }

    private mutating func add(_ at: UnixTime, at offset: Int) {
        if places.count >= Self.limit {
            places = stride(from: 0, to: places.count, by: 2).map { first in
                var place = places[first]
                place.end = places[min(first + 1, places.count - 1)].end
                return place
            }
        }
        places.append(Place(at: at, offset: offset, end: offset + Record.headerSize))
    }
}

struct FileStrip: Strip {
    let file: OpenFile
    let places: [RecordingIndex.Place]
    let starts: [UnixTime]
    let end: UnixTime
    /// The last two that were read: playing goes on in them.
    private var kept: [(index: Int, bytes: [UInt8])] = []

    init(file: OpenFile, places: [RecordingIndex.Place], end: UnixTime) {
        self.file = file
        self.places = places
        starts = places.map(\.at)
        self.end = end
    }

    mutating func segment(_ index: Int) -> [UInt8] {
        if let known = kept.first(where: { $0.index == index }) { return known.bytes }
        let place = places[index]
        let bytes = file.read(min(place.end - place.offset, 64 << 20), at: place.offset)
        if kept.count >= 2 { kept.removeFirst() }
        kept.append((index, bytes))
        return bytes
    }
}
