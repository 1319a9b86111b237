import Mail
import Synchronization

/// The last hour, at falling resolution: every answer for two minutes, one in five seconds for ten,
/// one in twenty for the rest. A few megabytes, whatever comes.
final class MemoryArchive: Archive {
    private let state = Mutex(State())

    init() {}

    func record(_ moment: RecordedMoment) {
        state.withLock { $0.record(moment) }
    }

    func recall(_ time: PastTime, _ question: Question?) -> Recollection? {
        let strip = state.withLock { $0.strip }
        var reader = StripReader(strip)
        return reader.recall(time, question)
    }

    /// Of all segments, in bytes.
    var size: Int { state.withLock { $0.size } }

    private struct State {
        var tiers: [Tier]

        init() {
            let compression = Compression()
            tiers = [(0, 120), (5, 600), (20, 3600)].map {
                Tier(every: $0, keeps: $1, compression)
            }
        }

        mutating func record(_ moment: RecordedMoment) {
            for index in tiers.indices { tiers[index].record(moment) }
            while size > MemoryArchive.limit {
                // The coarsest reaches back the furthest.
                guard let tier = tiers.indices.reversed().first(where: { tiers[$0].canShrink })
                else { return }
                tiers[tier].shrink()
            }
        }

        var size: Int { tiers.reduce(0) { $0 + $1.size } }

        /// The finest that there is of each time.
        var strip: MemoryStrip {
            var segments: [MemorySegment] = []
            for (index, tier) in tiers.enumerated().reversed() {
                let finer = tiers[..<index].compactMap { $0.segments.first?.start }.min()
                segments += tier.segments.filter { segment in
                    finer.map { segment.start < $0 } ?? true
                }
            }
            return MemoryStrip(segments: segments, end: tiers[0].last ?? UnixTime(milliseconds: 0))
        }
    }

    /// In bytes, over all tiers.
    static let limit = 8 << 20

    /// One resolution.
    private struct Tier {
        /// In seconds: by so much an answer may be older than one that came before it.
        private static let lateness = 10.0
        /// In seconds.
        let every: Double
        let keeps: Double
        private(set) var segments: [MemorySegment] = []
        private(set) var size = 0
        /// When something was last taken.
        private(set) var last: UnixTime?
        private var lastByKey: [String: UnixTime] = [:]
        private var writer: SegmentWriter

        init(every: Double, keeps: Double, _ compression: Compression) {
            writer = SegmentWriter(compression)
            self.every = every
            self.keeps = keeps
        }

        var canShrink: Bool { segments.count > 1 }

        mutating func shrink() {
            size -= segments.removeFirst().bytes.count
        }

        mutating func record(_ moment: RecordedMoment) {
            var moment = moment
            if let last, moment.at < last {
                if last.seconds - moment.at.seconds <= Self.lateness {
                    // Two answers that overtook each other.
                    moment.at = last
                } else {
                    // A clock that was set back: what is later than now never was.
                    removeAll()
                }
            }
            var bytes: [UInt8] = []
            if isDue(RecordKey.status, moment.at) {
                if segments.last.map({ moment.at.seconds - $0.start.seconds >= keeps / 8 }) ?? true
                {
                    segments.append(MemorySegment(start: moment.at, bytes: []))
                    bytes += writer.segment(at: moment.at)
                }
                bytes += writer.text(RecordKey.status, moment.status, at: moment.at)
                lastByKey[RecordKey.status] = moment.at
            }
            if let (key, text) = moment.answer, !segments.isEmpty, isDue(key, moment.at) {
                bytes += writer.text(key, text, at: moment.at)
                lastByKey[key] = moment.at
            }
            guard !bytes.isEmpty else { return }
            last = moment.at
            segments[segments.count - 1].bytes += bytes
            size += bytes.count
            while segments.count > 1, moment.at.seconds - segments[1].start.seconds > keeps {
                shrink()
            }
            if lastByKey.count > 256 { lastByKey.removeAll() }
        }

        private func isDue(_ key: String, _ time: UnixTime) -> Bool {
            // Half a second early is in time: ticks are not exact.
            lastByKey[key].map { time.seconds - $0.seconds >= every - 0.5 } ?? true
        }

        private mutating func removeAll() {
            segments.removeAll()
            lastByKey.removeAll()
            size = 0
            last = nil
        }
    }
}

struct MemorySegment: Sendable {
    let start: UnixTime
    var bytes: [UInt8]
}

struct MemoryStrip: Strip {
    let segments: [MemorySegment]
    let end: UnixTime

    var starts: [UnixTime] { segments.map(\.start) }

    func segment(_ index: Int) -> [UInt8] { segments[index].bytes }
}
