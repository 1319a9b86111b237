import Foundation
import FuzzTargets
import Testing

/// The inputs of Fuzz/Corpus, among them every one that once showed a mistake, and some that are
/// made of them.
@Suite struct CorpusTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().appendingPathComponent("../../Fuzz/Corpus").standardizedFileURL

    /// Name and bytes, in the order of the names.
    private static func corpus(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = folder.appendingPathComponent(target.name)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
            ($0, [UInt8](try Data(contentsOf: folder.appendingPathComponent($0))))
        }
    }

    @Test(arguments: FuzzTarget.all.map(\.name))
    func everyInputHolds(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let corpus = try Self.corpus(target)
        #expect(!corpus.isEmpty, "no corpus")
        for (file, bytes) in corpus {
            #expect(throws: Never.self, "\(name)/\(file)") { try target.check(bytes) }
        }
    }

    /// Inputs for each target. `.ci/run` takes more of them, by hand it can be a million.
    private static let rounds =
        ProcessInfo.processInfo.environment["SLUICE_FUZZ_ROUNDS"].flatMap { Int($0) } ?? 300
    private static let seed =
        ProcessInfo.processInfo.environment["SLUICE_FUZZ_SEED"].flatMap { UInt64($0) } ?? 1

    /// Not for finding new mistakes, which libFuzzer does better, but old ones that come back.
    @Test(arguments: FuzzTarget.all.map(\.name))
    func changedInputsHold(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let corpus = try Self.corpus(target).map(\.bytes)
        var random = Generator(state: Self.seed)
        for _ in 0..<Self.rounds {
            var bytes = corpus.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                Self.change(&bytes, corpus, &random)
            }
            bytes = Array(bytes.prefix(target.maximumLength))
            #expect(throws: Never.self, "\(name): \(Data(bytes).base64EncodedString())") {
                try target.check(bytes)
            }
        }
    }

    private static func change(
        _ bytes: inout [UInt8], _ corpus: [[UInt8]], _ random: inout Generator
    ) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        let end = min(bytes.count, place + Int.random(in: 0...8, using: &random))
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes.insert(UInt8.random(in: 0 ... .max, using: &random), at: place)
        case 1: bytes.removeSubrange(place..<end)
        case 2: bytes.insert(contentsOf: bytes[place..<end], at: place)
        case 3:
            if place < bytes.count { bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
        default:
            let other = corpus.randomElement(using: &random) ?? []
            bytes = Array(bytes[..<place]) + other.dropFirst(place)
        }
    }
}

/// SplitMix64: the same inputs in every run.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
