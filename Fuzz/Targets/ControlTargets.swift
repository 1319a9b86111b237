import Control
import Filter
import Mail
import Manager
import NIOCore
import Scheduler

extension FuzzTarget {
    /// The stream between manager and worker. It is read the same however it is cut, a frame that
    /// was read is written and read again as itself, and a length is no order for memory.
    static let frame = FuzzTarget("frame", maximumLength: 4096) { bytes in
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let whole = try frames(pieces(input.rest, seed: 255))
        try demandEqual(whole, try frames(pieces(input.rest, seed: seed)), "Cut otherwise")
    }

    /// The frames, written again, and at the end what was wrong.
    private static func frames(_ pieces: [ArraySlice<UInt8>]) throws -> [[UInt8]] {
        var buffer = ByteBuffer()
        var seen: [[UInt8]] = []
        for piece in pieces {
            buffer.writeBytes(piece)
            do {
                while let frame = try FrameDecoder.next(in: &buffer) {
                    let written = encoded(frame)
                    var again = ByteBuffer(bytes: written)
                    guard let second = try FrameDecoder.next(in: &again),
                        again.readableBytes == 0, encoded(second) == written
                    else { throw Violation(description: "\(frame) is another when read again") }
                    seen.append(written)
                }
            } catch is FrameError {
                return seen + [Array("error".utf8)]
            }
        }
        return seen
    }

    private static func encoded(_ frame: Frame) -> [UInt8] {
        var buffer = ByteBuffer()
        frame.write(to: &buffer)
        return Array(buffer.readableBytesView)
    }

    /// What a destination has learned, as the spool and another worker give it back.
    static let snapshot = FuzzTarget("snapshot", maximumLength: 1024) { bytes in
        var input = FuzzInput(bytes)
        let later = Int64(input.byte()) * (input.byte() & 1 == 0 ? 1 : 1 << 50)
        guard let snapshot = DestinationSnapshot(decoding: input.rest) else { return }
        for form in [snapshot, snapshot.advanced(by: .milliseconds(later)), snapshot.drained] {
            let again = DestinationSnapshot(decoding: form.encoded)
            try demandEqual(again?.encoded, form.encoded, "Read again it is another")
            try work(with: form)
        }
    }

    /// A destination that goes on with it delivers, defers, waits, and leaves another one.
    private static func work(with snapshot: DestinationSnapshot) throws {
        var scheduler = Scheduler(seed: 1)
        var now = Instant(nanoseconds: 1_000_000_000_000)
        let id = DestinationID(rawValue: 1)
        let limits = Limits(
            rate: Rate(text: "10/s"), burst: 7.5, connectionRate: Rate(text: "3/min"))
        scheduler.add(id, policy: DestinationPolicy(limits: limits), snapshot: snapshot, at: now)
        for round in 1...12 {
            let delivery = DeliveryID(rawValue: Int64(round) << 16)
            scheduler.enqueue(
                Entry(
                    id: delivery, destination: id, due: now, received: now,
                    attempts: round % 3, size: 1000, sender: 7, priority: 0), at: now)
            var starts = 0
            while let start = scheduler.next(at: now) {
                starts += 1
                try demand(starts <= 100, "It never stops starting")
                let result: AttemptResult =
                    round % 3 == 0
                    ? .deferred(.destination, reply: "421 4.7.28 slow down") : .settled
                _ = scheduler.finished(
                    start.delivery, of: start.destination, result,
                    connection: round % 2 == 0 ? .idle : .closed, at: now)
            }
            _ = scheduler.status(id, at: now)
            _ = scheduler.explain(id, at: now)
            _ = scheduler.surplus(id, at: now)
            if let wake = scheduler.nextWake(after: now) {
                try demand(wake > now, "It wakes in the past")
            }
            now = now + .seconds(round * round * round)
        }
        let left = scheduler.remove(id, at: now)
        try demand(
            left.map { DestinationSnapshot(decoding: $0.encoded) != nil } ?? true,
            "What it leaves cannot be read")
    }

    /// Filters as people type them: an error lies within the text, a filter says in words what
    /// it is, and both are read the same again.
    static let filter = FuzzTarget("filter", maximumLength: 1024) { bytes in
        var input = FuzzInput(bytes)
        let fields: FilterFields = input.byte() & 1 == 0 ? .messages : .destinations
        let text = input.text
        do {
            let parsed = try FilterExpression.parse(text, fields: fields)
            let said = parsed.description
            // A pair of wildcards makes two comparisons of one, which may be one too many.
            if said.count < FilterExpression.maximumLength / 2 {
                let again = try? FilterExpression.parse(said, fields: fields)
                try demandEqual(again, parsed, "\(text.debugDescription) says \(said)")
            }
            _ = parsed.matches { _ in nil }
            _ = parsed.matches { $0.kind == .flag ? .flag(true) : .number(421) }
            let alike = parsed.matches { _ in .list(["a@example.com", text]) }
            try demandEqual(
                FilterExpression.not(parsed).matches { _ in .list(["a@example.com", text]) },
                !alike, "not")
        } catch let error as FilterError {
            try demand((0...text.count).contains(error.position), "Position \(error.position)")
            try demand(!error.message.isEmpty, "No message")
        }
    }

    /// Path and query of a request. What our client writes the daemon reads back.
    static let query = FuzzTarget("query", maximumLength: 1024) { bytes in
        var input = FuzzInput(bytes)
        let limit = Int(input.byte()) + 1
        let text = input.text
        if let query = try? PageQuery(target: text) {
            try demand((1...PageQuery.largestPage).contains(query.limit), "\(query.limit)")
            try demand(query.offset >= 0, "\(query.offset)")
        }
        _ = try? PageQuery(target: "/v1/messages?" + text)
        let target = RequestTarget("v1", "messages").adding("filter", text)
            .adding("sort", "-" + text).adding("limit", String(limit)).adding("offset", "7")
        try demand(target.text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, target.text)
        let query = try PageQuery(target: target.text)
        try demandEqual(query.filter, text.isEmpty ? nil : text, "filter")
        try demandEqual(query.sort, text, "sort")
        try demandEqual(query.limit, limit, "limit")
        try demand(query.descending && query.offset == 7, "order and offset")
    }

    /// Bodies of requests, and of answers. What is read is written, and read as the same again.
    static let plan = FuzzTarget("plan", maximumLength: 2048) { bytes in
        var input = FuzzInput(bytes)
        switch input.byte() % 6 {
        case 0: try reread(PlanRequest.self, input.rest)
        case 1: try reread(ApplyRequest.self, input.rest)
        case 2: try reread(Page<MessageRow>.self, input.rest)
        case 3: try reread(Page<DestinationRow>.self, input.rest)
        case 4: try reread(Plan.self, input.rest)
        default: try reread(Status.self, input.rest)
        }
    }

    private static func reread<T: Codable>(_ type: T.Type, _ bytes: [UInt8]) throws {
        guard let value = try? JSON.decode(type, from: ByteBuffer(bytes: bytes)) else { return }
        let printed = try JSON.printable(value, indented: false)
        try demand(!printed.contains("\n"), "More than a line")
        try FuzzTarget.demandSafe(printed)
        let again = try JSON.decode(type, from: ByteBuffer(string: printed))
        try demandEqual(try JSON.printable(again, indented: false), printed, "Read again")
    }
}
