import NIOCore
import Testing

@testable import SMTP

/// What follows DATA, read by the plainest rules: the message ends at the first CRLF "." CRLF, the
/// CRLF of the DATA command counted.
private struct Reference {
    let body: [UInt8]
    let faults: Set<DataScanner.Fault>
    let consumed: Int
    let hasLeadingDots: Bool

    init?(_ stream: [UInt8]) {
        let text: [UInt8] = [13, 10] + stream
        let end: [UInt8] = [13, 10, 46, 13, 10]
        guard text.count >= 5,
            let at = (0...(text.count - 5)).first(where: { Array(text[$0..<($0 + 5)]) == end })
        else { return nil }
        consumed = at + 5 - 2
        var faults: Set<DataScanner.Fault> = []
        let raw = Array(text[..<(at + 2)])
        for i in raw.indices {
            if raw[i] == 10, i == 0 || raw[i - 1] != 13 { faults.insert(.bareLineFeed) }
            if raw[i] == 13, i + 1 == raw.count || raw[i + 1] != 10 {
                faults.insert(.bareCarriageReturn)
            }
        }
        self.faults = faults
        var body: [UInt8] = []
        var dots = false
        for i in raw.indices.dropFirst(2) {
            let starts = raw[i - 2] == 13 && raw[i - 1] == 10
            if starts, raw[i] == 46 {
                if i + 1 < raw.count, raw[i + 1] == 46 { dots = true }
                continue
            }
            body.append(raw[i])
        }
        self.body = body
        hasLeadingDots = dots
    }
}

private func scan(_ pieces: [[UInt8]], maxSize: Int = 1 << 20, maxLine: Int = 1 << 20) -> (
    body: [UInt8], scanner: DataScanner, consumed: Int?
) {
    var scanner = DataScanner(maxSize: maxSize, maxLine: maxLine)
    var body = ByteBuffer()
    var before = 0
    for piece in pieces {
        let (consumed, complete) = piece.withUnsafeBytes { scanner.scan($0, into: &body) }
        if complete { return (Array(body.readableBytesView), scanner, before + consumed) }
        #expect(consumed == piece.count)
        before += piece.count
    }
    return (Array(body.readableBytesView), scanner, nil)
}

@Suite struct DataScannerTests {
    /// Every string of up to seven bytes over the four that matter, whole and byte by byte.
    @Test func allShortStringsAgreeWithTheReference() {
        let alphabet: [UInt8] = [13, 10, 46, 97]
        var wrong: [String] = []
        for length in 0...7 {
            for number in 0..<(1 << (2 * length)) {
                let stream =
                    (0..<length).map { alphabet[(number >> (2 * $0)) & 3] } + [13, 10, 46, 13, 10]
                if !agrees(stream, [stream]) || !agrees(stream, stream.map { [$0] }) {
                    wrong.append(String(decoding: stream, as: UTF8.self).debugDescription)
                }
            }
        }
        #expect(wrong.prefix(5) == [])
    }

    @Test func longStringsInRandomPiecesAgreeWithTheReference() {
        var random = Random(seed: 1)
        let parts: [[UInt8]] = [
            [13, 10], [13, 10], [13, 10], [46], [46, 46], Array("hello".utf8), [10], [13],
            Array(repeating: 0x78, count: 100),
        ]
        for _ in 0..<20_000 {
            var stream: [UInt8] = []
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                stream += parts[Int.random(in: 0..<parts.count, using: &random)]
            }
            stream += [13, 10, 46, 13, 10] + Array("MAIL FROM:<>\r\n".utf8)
            let pieces = random.pieces(stream, longest: Int.random(in: 1...40, using: &random))
            if !agrees(stream, pieces) {
                Issue.record("\(String(decoding: stream, as: UTF8.self).debugDescription)")
                return
            }
        }
    }

    private func agrees(_ stream: [UInt8], _ pieces: [[UInt8]]) -> Bool {
        let result = scan(pieces)
        guard let expected = Reference(stream) else { return result.consumed == nil }
        guard result.consumed == expected.consumed else { return false }
        if expected.faults.isEmpty {
            return result.scanner.fault == nil && result.body == expected.body
                && result.scanner.hasLeadingDots == expected.hasLeadingDots
        }
        return result.body.isEmpty && result.scanner.fault.map(expected.faults.contains) == true
    }

    @Test func stuffingAndScanningIsTheIdentity() {
        var random = Random(seed: 2)
        let parts = [".", "..", "\r\n", "\r\n", "text", ".x", String(repeating: "y", count: 70)]
        for _ in 0..<10_000 {
            var body = ""
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                body += parts[Int.random(in: 0..<parts.count, using: &random)]
            }
            if !body.isEmpty, !body.hasSuffix("\r\n") { body += "\r\n" }
            let buffer = ByteBuffer(string: body)
            #expect(DotStuffing.endsItsLine(buffer))
            let wire = Array(DotStuffing.apply(to: buffer).readableBytesView) + [46, 13, 10]
            let result = scan(random.pieces(wire, longest: 9))
            let lines = body.split(separator: "\r\n", omittingEmptySubsequences: false)
            guard String(decoding: result.body, as: UTF8.self) == body,
                result.consumed == wire.count, result.scanner.fault == nil,
                result.scanner.hasLeadingDots == lines.contains(where: { $0.hasPrefix(".") })
            else {
                Issue.record("\(body.debugDescription)")
                return
            }
            // What has no leading dots needs no stuffing.
            if !result.scanner.hasLeadingDots { #expect(wire.count == buffer.readableBytes + 3) }
        }
    }

    @Test func limits() {
        let line = Array("12345678\r\n".utf8)
        let end = Array(".\r\n".utf8)
        #expect(scan([line + line + end], maxSize: 20).scanner.fault == nil)
        #expect(scan([line + line + end], maxSize: 19).scanner.fault == .tooLarge)
        #expect(scan([line + line + end], maxSize: 19).consumed == 23)
        #expect(scan([line + end], maxLine: 10).scanner.fault == nil)
        #expect(scan([line + end], maxLine: 9).scanner.fault == .lineTooLong)
        #expect(scan((line + end).map { [$0] }, maxLine: 10).scanner.fault == nil)
        #expect(scan((line + end).map { [$0] }, maxLine: 9).scanner.fault == .lineTooLong)
        // A line without an end is noticed too, and nothing of it is kept.
        let endless = scan(
            Array(repeating: Array(repeating: 0x78, count: 64), count: 4), maxLine: 100)
        #expect(endless.scanner.fault == .lineTooLong && endless.body.isEmpty)
    }

    @Test func bodiesWithoutAFinalLineEnd() {
        #expect(DotStuffing.endsItsLine(ByteBuffer()))
        #expect(!DotStuffing.endsItsLine(ByteBuffer(string: "x")))
        #expect(!DotStuffing.endsItsLine(ByteBuffer(string: "\n")))
        #expect(!DotStuffing.endsItsLine(ByteBuffer(string: "x\n")))
        #expect(DotStuffing.endsItsLine(ByteBuffer(string: "\r\n")))
        var slice = ByteBuffer(string: "ab\r\nrest")
        let head = slice.readSlice(length: 4)!
        #expect(DotStuffing.endsItsLine(head))
        #expect(DotStuffing.apply(to: slice).text == "rest")
    }
}
