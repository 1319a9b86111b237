package import Control
package import Mail
import NIOCore

/// A moment that is asked for.
package enum PastTime: Hashable, Sendable {
    /// The last that was recorded by then; the first there is where that is later.
    case at(UnixTime)
    /// So many recorded moments after one, or before it.
    case step(from: UnixTime, by: Int)
}

/// What was recorded of a moment.
package struct Recollection: Sendable {
    package var status: Status
    /// What the page asks was answered by then; with the question as it was asked.
    package var answer: (question: Question, answer: Answer)?
    /// From the first recorded moment to the last.
    package var span: ClosedRange<UnixTime>
    /// What is wrong with the recording; nil: nothing.
    package var problem: String?

    package init(
        status: Status, answer: (question: Question, answer: Answer)? = nil,
        span: ClosedRange<UnixTime>, problem: String? = nil
    ) {
        self.status = status
        self.answer = answer
        self.span = span
        self.problem = problem
    }
}

/// Where the past is read from.
package protocol Archive: Sendable {
    /// nil: nothing was recorded.
    func recall(_ time: PastTime, _ question: Question?) -> Recollection?
}

/// Segments of records in the order of time, each of which can be read by itself.
protocol Strip {
    var starts: [UnixTime] { get }
    var end: UnixTime { get }
    /// Its bytes, from the segment's record on; empty where they cannot be read.
    mutating func segment(_ index: Int) -> [UInt8]
}

/// Keys of records.
enum RecordKey {
    static let status = ""

    static func of(_ question: Question) -> String? {
        (try? JSON.sorted(question)).map { String(buffer: $0) }
    }

    static func question(_ key: String) -> Question? {
        try? JSON.decode(Question.self, from: ByteBuffer(string: key))
    }
}

/// Reads moments out of a strip.
struct StripReader<Tape: Strip> {
    var strip: Tape
    let compression = Compression()
    /// What could not be read, told once it has been met.
    private(set) var problem: String?

    /// An answer that is older than that says nothing about a moment.
    static var memory: Duration { .seconds(90) }
    /// Lines of a log that are given back at once.
    static var lineLimit: Int { 5000 }

    init(_ strip: Tape) {
        self.strip = strip
    }

    private struct Text {
        var at: UnixTime
        var bytes: [UInt8]
    }

    mutating func recall(_ time: PastTime, _ question: Question?) -> Recollection? {
        guard let first = strip.starts.first else { return nil }
        let span = first...max(first, strip.end)
        let at: UnixTime
        switch time {
        case .at(let wanted): at = max(wanted, first)
        case .step(let from, let count): at = stepped(from, by: count)
        }
        let index = segment(of: at)
        var texts: [String: Text] = [:]
        var lines: [StreamItem] = []
        var subject: StreamSubject?
        if case .log(let wanted)? = question { subject = wanted }
        // A segment holds what was asked in it only: before it there may be more.
        for index in max(0, index - (subject == nil ? 1 : 20))...index {
            read(index, until: at, into: &texts, lines: &lines, of: subject)
        }
        guard let status = texts[RecordKey.status], let status: Status = decoded(status.bytes)
        else { return nil }
        var answer: (question: Question, answer: Answer)?
        if let subject {
            if !lines.isEmpty {
                answer = (.log(subject), .log(Array(lines.suffix(Self.lineLimit))))
            }
        } else if let question {
            answer = self.answer(to: question, at: at, texts)
        }
        return Recollection(status: status, answer: answer, span: span, problem: problem)
    }

    // MARK: Times

    private func segment(of time: UnixTime) -> Int {
        let starts = strip.starts
        var low = 0
        var high = starts.count
        while low < high {
            let middle = (low + high) / 2
            if starts[middle] <= time { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }

    /// The times at which a status was recorded in a segment.
    private mutating func moments(_ index: Int) -> [UnixTime] {
        let bytes = strip.segment(index)
        var times: [UnixTime] = []
        Self.walk(bytes) { record in
            if record.key == RecordKey.status, record.kind != .segment { times.append(record.at) }
            return true
        }
        return times
    }

    private mutating func stepped(_ from: UnixTime, by count: Int) -> UnixTime {
        var time = from
        var left = abs(count)
        var index = segment(of: from)
        let last = strip.starts.count - 1
        while left > 0 {
            let moments = moments(index)
            let beyond =
                count < 0
                ? moments.filter { $0 < time }.reversed() : moments.filter { $0 > time }
            if beyond.count >= left { return beyond[left - 1] }
            left -= beyond.count
            time = beyond.last ?? time
            index += count < 0 ? -1 : 1
            guard (0...last).contains(index) else { return time }
        }
        return time
    }

    // MARK: Texts

    private static func walk(_ bytes: [UInt8], _ body: (Record) -> Bool) {
        var place = 0
        while case .record(let record, let next) = Record.read(bytes[...], at: place) {
            if !body(record) { return }
            place = next
        }
    }

    private mutating func read(
        _ index: Int, until at: UnixTime, into texts: inout [String: Text],
        lines: inout [StreamItem], of subject: StreamSubject?
    ) {
        let bytes = strip.segment(index)
        let wanted = subject.flatMap { RecordKey.of(.log($0)) }
        var own: [String: [UInt8]] = [:]
        var isDamaged = false
        let compression = compression
        Self.walk(bytes) { record in
            if record.at > at, record.kind != .segment { return false }
            switch record.kind {
            case .segment: break
            case .whole, .change:
                let base = record.kind == .change ? own[record.key] : nil
                if record.kind == .change, base == nil { return true }
                guard let text = compression.unpacked(record.payload, after: base) else {
                    isDamaged = true
                    own[record.key] = nil
                    return true
                }
                own[record.key] = text
                texts[record.key] = Text(at: record.at, bytes: text)
            case .lines:
                guard record.key == wanted, let subject else { return true }
                guard let text = compression.unpacked(record.payload, after: nil) else {
                    isDamaged = true
                    return true
                }
                lines += Self.items(text, of: subject)
            }
            return true
        }
        if isDamaged { problem = problem ?? "a part of the recording is damaged and left out" }
    }

    private static func items(_ text: [UInt8], of subject: StreamSubject) -> [StreamItem] {
        let buffer = ByteBuffer(bytes: text)
        switch subject {
        case .events:
            return ((try? JSON.decode([Event].self, from: buffer)) ?? []).map { .event($0) }
        case .trace:
            return ((try? JSON.decode([TraceLine].self, from: buffer)) ?? []).map { .trace($0) }
        }
    }

    private func decoded<Value: Decodable>(_ bytes: [UInt8]) -> Value? {
        try? JSON.decode(Value.self, from: ByteBuffer(bytes: bytes))
    }

    /// What was recorded that answers a question: the same, or one that shows of the same things
    /// what there is.
    private func answer(
        to question: Question, at: UnixTime, _ texts: [String: Text]
    ) -> (question: Question, answer: Answer)? {
        var best: (rank: Int, at: UnixTime, question: Question, bytes: [UInt8])?
        for (key, text) in texts where at - text.at <= Self.memory {
            guard key != RecordKey.status, let asked = RecordKey.question(key),
                let rank = Self.rank(asked, for: question)
            else { continue }
            if let best, (best.rank, best.at) >= (rank, text.at) { continue }
            best = (rank, text.at, asked, text.bytes)
        }
        guard let best, let answer = answer(best.question, best.bytes) else { return nil }
        return (best.question, answer)
    }

    /// nil: it is about something else.
    private static func rank(_ asked: Question, for wanted: Question) -> Int? {
        if asked == wanted { return 3 }
        switch (asked, wanted) {
        case (.destinations(let a, _), .destinations(let b, _)),
            (.messages(let a, _), .messages(let b, _)):
            return a == b ? 2 : a.filter == nil ? 1 : 0
        case (.ages, .ages), (.schedule, .schedule), (.actions, .actions): return 2
        default: return nil
        }
    }

    private func answer(_ question: Question, _ bytes: [UInt8]) -> Answer? {
        switch question {
        case .destinations: decoded(bytes).map { .destinations($0) }
        case .destination: decoded(bytes).map { .destination($0) }
        case .messages: decoded(bytes).map { .messages($0) }
        case .message: decoded(bytes).map { .message($0) }
        case .ages: decoded(bytes).map { .ages($0) }
        case .schedule: decoded(bytes).map { .schedule($0) }
        case .actions: decoded(bytes).map { .actions($0) }
        case .body, .log: nil
        }
    }
}

extension Answer {
    /// Its JSON; nil for what is not recorded: what a message says, and what was not there.
    func text() -> [UInt8]? {
        func bytes(_ value: some Encodable) -> [UInt8]? {
            (try? JSON.sorted(value)).map { Array(buffer: $0) }
        }
        switch self {
        case .destinations(let page): return bytes(page)
        case .destination(let detail): return detail.flatMap { bytes($0) }
        case .messages(let page): return bytes(page)
        case .message(let detail): return detail.flatMap { bytes($0) }
        case .ages(let map): return bytes(map)
        case .schedule(let schedule): return bytes(schedule)
        case .actions(let page): return bytes(page)
        case .body, .log: return nil
        }
    }
}
