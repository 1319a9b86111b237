import ArgumentParser

/// `sluice-bench`: what the benchmarks need and no user does.
@main
struct SluiceBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice-bench", abstract: "Helps the benchmarks (Benchmarks/README.md).",
        subcommands: [Fill.self, Scale.self])
}
