import Mail
import NIOCore
import NIOEmbedded
import Scheduler
import Testing

@testable import Control

@Suite struct FrameTests {
    /// One of every case, with contents by chance.
    static func samples(seed: UInt64) -> [Frame] {
        var make = FrameMaker(seed: seed)
        return make.all()
    }

    private static func bytes(_ frame: Frame) -> ByteBuffer {
        var buffer = ByteBuffer()
        frame.write(to: &buffer)
        return buffer
    }

    private static func name(_ frame: Frame) -> Substring {
        "\(frame)".prefix { $0 != "(" }
    }

    @Test(arguments: 0..<20) func everyCaseComesBackAsItWas(seed: UInt64) throws {
        let samples = Self.samples(seed: seed)
        #expect(Set(samples.map(Self.name)).count == 27)
        for frame in samples {
            var buffer = Self.bytes(frame)
            let copy = try #require(try FrameDecoder.next(in: &buffer))
            #expect(buffer.readableBytes == 0)
            #expect(Self.bytes(copy) == Self.bytes(frame))
            #expect("\(copy)" == "\(frame)" || Self.name(copy) == Self.name(frame))
        }
    }

    @Test func contentsComeBackAsTheyWere() throws {
        var make = FrameMaker(seed: 9)
        for _ in 0..<50 {
            let entry = make.queued()
            let job = make.job()
            let report = make.attempt()
            let status = make.destination()
            let assignment = make.assignment()
            func copy(_ frame: Frame) throws -> Frame? {
                var buffer = Self.bytes(frame)
                return try FrameDecoder.next(in: &buffer)
            }
            guard case .deliver(entry, job)? = try copy(.deliver(entry, job)) else {
                Issue.record("deliver")
                return
            }
            guard case .results([report])? = try copy(.results([report])) else {
                Issue.record("results")
                return
            }
            guard case .status([status])? = try copy(.status([status])) else {
                Issue.record("status")
                return
            }
            guard case .assign(assignment)? = try copy(.assign(assignment)) else {
                Issue.record("assign")
                return
            }
        }
    }

    @Test func framesComeOutByteByByteAndInOneLump() throws {
        let samples = Self.samples(seed: 3)
        var all = ByteBuffer()
        for frame in samples { frame.write(to: &all) }
        for step in [1, 7, all.readableBytes] {
            let channel = EmbeddedChannel(
                handler: ByteToMessageHandler(
                    FrameDecoder(), maximumBufferSize: Frame.maximumLength))
            var rest = all
            var names: [Substring] = []
            while rest.readableBytes > 0 {
                try channel.writeInbound(
                    rest.readSlice(length: min(step, rest.readableBytes))!)
                while let frame = try channel.readInbound(as: Frame.self) {
                    names.append(Self.name(frame))
                }
            }
            #expect(names == samples.map(Self.name))
            _ = try channel.finish()
        }
    }

    /// A frame whose length is right but whose contents end early is no frame.
    @Test func everyTruncationIsAnError() throws {
        for frame in Self.samples(seed: 4) {
            let whole = Self.bytes(frame)
            for length in 0..<(whole.readableBytes - 4) {
                var torn = whole.getSlice(at: 4, length: length)!
                #expect(throws: FrameError.self, "\(Self.name(frame)) cut to \(length)") {
                    try Frame(decoding: &torn)
                }
            }
            var long = whole.getSlice(at: 4, length: whole.readableBytes - 4)!
            long.writeInteger(UInt8(0))
            #expect(throws: FrameError.self) { try Frame(decoding: &long) }
        }
    }

    /// Whatever the bytes are: a frame or a `FrameError`, never a trap.
    @Test func garbageNeverTraps() {
        var random = SplitMix64(seed: 77)
        let samples = Self.samples(seed: 5).map(Self.bytes)
        var errors = 0
        for round in 0..<30_000 {
            var buffer: ByteBuffer
            if round % 3 == 0 {
                let count = Int.random(in: 0...80, using: &random)
                buffer = ByteBuffer(
                    bytes: (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
                buffer.setInteger(UInt32(max(0, count - 4)), at: 0)
            } else {
                buffer = samples.randomElement(using: &random)!
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let place = Int.random(in: 4..<buffer.readableBytes, using: &random)
                    let value = [0, 1, 0x7f, 0x80, 0xff].randomElement(using: &random)!
                    buffer.setInteger(UInt8(value), at: place)
                }
            }
            do {
                _ = try FrameDecoder.next(in: &buffer)
            } catch {
                errors += 1
            }
        }
        #expect(errors > 1000)
    }

    @Test(arguments: [UInt32(0), 1 << 30 + 1, .max]) func lengthsThatNoFrameHas(length: UInt32) {
        var buffer = ByteBuffer()
        buffer.writeInteger(length)
        buffer.writeRepeatingByte(9, count: 64)
        #expect(throws: FrameError.self) { try FrameDecoder.next(in: &buffer) }
    }

    @Test(arguments: [UInt32(3), 1000, 1 << 31, .max]) func listsThatClaimTooMuch(count: UInt32) {
        // fetch: destination, then a list of one id.
        var body = ByteBuffer()
        body.writeInteger(UInt8(67))
        body.writeInteger(Int64(1))
        body.writeInteger(count)
        body.writeInteger(Int64(7))
        #expect(throws: FrameError.self) { try Frame(decoding: &body) }
        // resolve: a text.
        var text = ByteBuffer()
        text.writeInteger(UInt8(2))
        text.writeInteger(UInt64(1))
        text.writeInteger(count)
        text.writeString("ab")
        #expect(throws: FrameError.self) { try Frame(decoding: &text) }
    }

    @Test func valuesThatNothingHas() {
        func decode(_ bytes: [UInt8]) throws(FrameError) -> Frame {
            var buffer = ByteBuffer(bytes: bytes)
            return try Frame(decoding: &buffer)
        }
        #expect(throws: FrameError.self) { try decode([]) }
        #expect(throws: FrameError.self) { try decode([0]) }
        #expect(throws: FrameError.self) { try decode([200]) }
        // recording: neither true nor false.
        #expect(throws: FrameError.self) { try decode([13, 2]) }
        // resolved: an unknown kind of answer.
        #expect(throws: FrameError.self) { try decode([66, 0, 0, 0, 0, 0, 0, 0, 1, 9]) }
        // shutdown: more than a second of attoseconds.
        #expect(throws: FrameError.self) {
            try decode([15] + [UInt8](repeating: 0x7f, count: 16))
        }
    }

    @Test func theTwoClocksTranslateIntoEachOther() {
        let clocks = Clocks(
            wall: { UnixTime(milliseconds: 1_000_000) },
            monotonic: { Instant(nanoseconds: 5_000_000_000) })
        let later = UnixTime(milliseconds: 1_002_500)
        #expect(clocks.instant(of: later) == Instant(nanoseconds: 7_500_000_000))
        #expect(clocks.time(of: Instant(nanoseconds: 7_500_000_000)) == later)
        #expect(clocks.time(of: .distantFuture) == nil)
        let a = Clocks.system.monotonic()
        #expect(Clocks.system.monotonic() >= a)
    }

    /// A clock that is minutes off is set right; what is within the tolerance stays as it is.
    @Test func aClockIsCorrectedByAnother() {
        let own = UnixTime(milliseconds: 1_000_000)
        let correction = ClockCorrection()
        let clocks = Clocks(wall: { own }, monotonic: { Instant(nanoseconds: 0) })
            .corrected(by: correction)
        #expect(clocks.wall() == own)
        #expect(!correction.compare(own + .seconds(1), read: .zero, with: own))
        // An answer that is five seconds old says less.
        #expect(!correction.compare(own + .seconds(-6), read: .seconds(5), with: own))
        #expect(clocks.wall() == own)
        #expect(correction.compare(own + .seconds(-180), read: .seconds(5), with: own))
        #expect(clocks.wall() == own + .seconds(-180))
        #expect(!correction.compare(own + .seconds(-181), read: .zero, with: own))
        #expect(clocks.wall() == own + .seconds(-180))
        #expect(clocks.instant(of: own) == Instant(nanoseconds: 180_000_000_000))
        #expect(correction.compare(own, read: .zero, with: own))
        #expect(clocks.wall() == own)
    }
}
