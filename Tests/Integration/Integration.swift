import Foundation
import Testing

/// The real programs, real peers, real files. One test at a time: each has processes of its own,
/// and two of them at once would only measure each other.
@Suite(.serialized, .timeLimit(.minutes(minutes))) enum Integration {}

/// Of each test. `make crash` and `make partitions` run storms whose length the caller chooses; they
/// have limits of their own.
private let minutes =
    ["SLUICE_CRASH", "SLUICE_STORM", "SLUICE_PARTITIONS"].allSatisfy {
        ProcessInfo.processInfo.environment[$0] == nil
    } ? 15 : 24 * 60
