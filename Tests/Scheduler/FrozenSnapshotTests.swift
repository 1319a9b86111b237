import Testing

@testable import Scheduler

/// Snapshots as earlier versions wrote them: a spool may hold them for as long as it lives.
@Suite struct FrozenSnapshotTests {
    /// Of versions 1 to 6, in hexadecimal.
    private static let texts = [
        """
        0107000000000000000600000000000000030000000000000005000000000000000200000000\
        00000000ac23fc06000000050000000000000000c817a80400000001002f68590000000000e1\
        f505000000000000000000001e4000000000000000e83f0102100034323120342e372e323820\
        7370c3a474
        """,
        """
        0207000000000000000600000000000000030000000000000005000000000000000200000000\
        00000000ac23fc06000000050000000000000000c817a8040000000101002f68590000000000\
        e1f505000000000000000000001e4000000000000000e83f0102100034323120342e372e3238\
        207370c3a474
        """,
        """
        0307000000000000000600000000000000030000000000000005000000000000000200000000\
        000000090000000000000000286bee000000000050d6dc010000000c00000000000000010000\
        00000000d03f00ac23fc06000000050000000000000000c817a8040000000101002f68590000\
        000000e1f505000000000000000000001e400001009435770000000080b2e60e000000000000\
        00000000f03f010000000000001040000000000000124000bca06501000000005847f80d0000\
        000000000000000000001a711802000000000000000000e83f0102100034323120342e372e32\
        38207370c3a474
        """,
        """
        0407000000000000000600000000000000030000000000000005000000000000000200000000\
        000000090000000000000000286bee000000000050d6dc010000000c00000000000000010000\
        00000000d03f00ac23fc06000000050000000000000000c817a804000000c0bdf0ffffffffff\
        0101002f68590000000000e1f505000000000000000000001e400001009435770000000080b2\
        e60e00000000000000000000f03f010000000000001040000000000000124000bca065010000\
        00005847f80d0000000000000000000000001a711802000000000000000000e83f0102100034\
        323120342e372e3238207370c3a474
        """,
        """
        0507000000000000000600000000000000030000000000000005000000000000000200000000\
        000000090000000000000000286bee000000000050d6dc010000000c00000000000000010000\
        00000000d03f0000000000000440040000000000000000ac23fc060000000500000000000000\
        00c817a804000000c0bdf0ffffffffff01000000000000c03f01002f68590000000000e1f505\
        000000000000000000001e400001009435770000000080b2e60e00000000000000000000f03f\
        010000000000001040000000000000124000bca06501000000005847f80d0000000000000000\
        000000001a711802000000000000000000e83f0102100034323120342e372e3238207370c3a4\
        74
        """,
        """
        0607000000000000000600000000000000030000000000000005000000000000000200000000\
        000000090000000000000000286bee000000000050d6dc010000000c00000000000000010000\
        00000000d03f0000000000000440040000000000000000ac23fc060000000500000000000000\
        00c817a804000000c0bdf0ffffffffff01000000000000c03f01002f68590000000000e1f505\
        000000000000000000001e400001009435770000000080b2e60e00000000000000000000f03f\
        010000000000001040000000000000124000bca06501000000005847f80d0000000000000000\
        000000001a7118020000000000000000000c4000863ba1010000000200000000000000000000\
        000000b03f000000000000f0bf0000000000002640005ed0b2000000000065cd1d0000000001\
        0000000000000000e83f9a9999999999b93f7b14ae47e17a943f0102100034323120342e372e\
        3238207370c3a474
        """,
    ]

    private func snapshot(_ version: Int) throws -> DestinationSnapshot {
        let digits = Array(Self.texts[version - 1])
        let bytes = stride(from: 0, to: digits.count, by: 2).map {
            UInt8(String(digits[$0...($0 + 1)]), radix: 16)!
        }
        #expect(bytes[0] == UInt8(version))
        return try #require(DestinationSnapshot(decoding: bytes))
    }

    @Test(arguments: 1...6)
    func everyVersionIsRead(version: Int) throws {
        let snapshot = try snapshot(version)
        #expect(snapshot.window.size == 7 && snapshot.window.good == 6)
        #expect(snapshot.window.credit == 3 && snapshot.window.target == 5)
        #expect(snapshot.window.misses == 2)
        #expect(snapshot.breaker.open == 30_000_000_000 && snapshot.breaker.failures == 5)
        #expect(snapshot.breaker.previous == 20_000_000_000)
        #expect(snapshot.tokens?.debt == 1_500_000_000 && snapshot.tokens?.burst == 7.5)
        #expect(snapshot.connectionTokens == nil && snapshot.transaction == 0.75)
        #expect(snapshot.failure == LastFailure(cause: .destination, reply: "421 4.7.28 spät"))

        #expect(snapshot.breaker.hasWorked == (version >= 2))
        #expect(snapshot.window.ceiling == (version >= 3 ? 9 : 0))
        #expect(snapshot.window.isIndifferent == (version >= 3))
        #expect(snapshot.pace?.rate == (version >= 3 ? 4 : nil))
        #expect(snapshot.pace?.cutAgo == (version >= 3 ? 9_000_000_000 : nil))
        #expect(snapshot.paceTokens?.debt == (version >= 3 ? 2_000_000_000 : nil))
        #expect(snapshot.breaker.shift == (version >= 4 ? -1_000_000 : 0))
        #expect(snapshot.window.doubt == (version >= 5 ? 2.5 : 0))
        #expect(snapshot.window.futile == (version >= 5 ? 4 : 0))
        #expect(snapshot.breaker.failedShare == (version >= 5 ? 0.125 : 0))

        // What it did not know is as for a new destination.
        #expect(snapshot.pace?.peak ?? 0 == (version >= 6 ? 3.5 : 0))
        #expect((snapshot.pace?.isExact == true) == (version >= 6))
        #expect(snapshot.pace?.taken ?? 0 == (version >= 6 ? 11 : 0))
        let opening = version >= 6 ? Opening(mean: 0.1, deviation: 0.02) : Opening()
        #expect(snapshot.connectionPace == nil && snapshot.opening == opening)
        #expect(snapshot.pace?.nearest ?? 0 == 0 && snapshot.pace?.isSeveral != true)
    }

    /// A worker goes on with it, and writes it anew.
    @Test(arguments: 1...6)
    func everyVersionIsUsed(version: Int) throws {
        var scheduler = Scheduler(seed: 1)
        let now = Instant(nanoseconds: 5)
        let policy = DestinationPolicy(limits: Limits(rate: Rate(text: "10/s"), burst: 7.5))
        scheduler.add(Bench.one, policy: policy, snapshot: try snapshot(version), at: now)
        let status = scheduler.status(Bench.one, at: now)!
        #expect(status.breakerUntil == now + .seconds(30) && status.failures == 5)
        #expect(status.learnedRate == (version >= 3 ? 4 : nil))
        let again = try #require(scheduler.snapshot(Bench.one, at: now))
        #expect(again.encoded.first == 7)
        #expect(DestinationSnapshot(decoding: again.encoded) == again)
    }

    /// A newer one is not guessed at.
    @Test func aNewerVersionIsRefused() throws {
        var bytes = try snapshot(6).encoded
        bytes[0] += 1
        #expect(DestinationSnapshot(decoding: bytes) == nil)
    }
}
