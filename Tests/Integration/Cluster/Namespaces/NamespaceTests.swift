import Foundation
import Testing

extension Integration {
    /// Nodes, database and standby in network namespaces, with partitions, kills and fail-overs
    /// under load. `make partitions SEED=7 ROUNDS=50` makes a long one.
    @Suite(.enabled(if: Network.obstacle == nil, "\(Network.obstacle ?? "")"))
    struct NamespaceTests {
        private static let environment = ProcessInfo.processInfo.environment
        private static let rounds = environment["SLUICE_PARTITIONS"].flatMap { Int($0) }
        private static let seed = environment["SLUICE_PARTITIONS_SEED"].flatMap { UInt64($0) } ?? 1

        @Test func aPartitionAKillAndAFailOver() async throws {
            try await Trial.run(.short, seed: nil, clocks: [240, -180, 0])
        }

        @Test(
            .enabled(if: rounds != nil, "make partitions"),
            .timeLimit(.minutes(max(15, (rounds ?? 0) * 3)))
        ) func troubles() async throws {
            let seed = Self.seed
            try await Trial.run(
                .make(seed: seed, rounds: Self.rounds ?? 0), seed: seed, clocks: [240, -180, 0])
        }
    }
}
