/// A parser of bytes that others choose, and what has to hold for it whatever the bytes are.
///
/// The driver gives it what libFuzzer makes up, the tests give it the corpus.
package struct FuzzTarget: Sendable {
    /// Names the target on the command line, and its folders.
    package let name: String
    /// Bytes; longer inputs only make it slower.
    package let maximumLength: Int
    /// Throws a `Violation` where a property does not hold; traps where the parser does.
    package let check: @Sendable ([UInt8]) throws -> Void

    init(
        _ name: String, maximumLength: Int, _ check: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.name = name
        self.maximumLength = maximumLength
        self.check = check
    }

    package static let all: [FuzzTarget] = [
        .smtpServer, .smtpClient, .reply, .frame, .snapshot, .filter, .query, .plan, .config,
        .theme, .address, .addressList, .message, .dsn, .text, .keys, .dns, .stored,
    ]
}

/// A property that does not hold.
package struct Violation: Error, CustomStringConvertible {
    package var description: String
}

/// - Throws: `Violation` with `text`, unless `condition` holds.
func demand(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    if !condition { throw Violation(description: text()) }
}

func demandEqual<T: Equatable>(_ a: T, _ b: T, _ text: @autoclosure () -> String) throws {
    if a != b { throw Violation(description: "\(text()):\n  \(a)\n  \(b)") }
}

/// The bytes of an input, taken from the front: a few choose how a parser is set up and fed, the
/// rest is what it reads.
struct FuzzInput {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    /// The next byte; 0 behind the last one.
    mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

    var rest: [UInt8] { Array(bytes) }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// The rest, cut at every NUL.
    var fields: [String] {
        bytes.split(separator: 0, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}

/// `bytes` in pieces whose lengths follow from `seed`: 1 byte each for 0, all at once for 255.
func pieces(_ bytes: [UInt8], seed: UInt8) -> [ArraySlice<UInt8>] {
    if seed == 255 { return bytes.isEmpty ? [] : [bytes[...]] }
    var pieces: [ArraySlice<UInt8>] = []
    var state = UInt32(seed)
    var rest = bytes[...]
    while !rest.isEmpty {
        // A linear congruential generator is chance enough for this.
        state = state &* 1_664_525 &+ 1_013_904_223
        let length = seed == 0 ? 1 : 1 + Int(state >> 24) % 40
        pieces.append(rest.prefix(length))
        rest = rest.dropFirst(length)
    }
    return pieces
}
