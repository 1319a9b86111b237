import Testing

/// The real programs, real peers, real files. One test at a time: each has processes of its own,
/// and two of them at once would only measure each other.
@Suite(.serialized, .timeLimit(.minutes(2))) enum Integration {}
