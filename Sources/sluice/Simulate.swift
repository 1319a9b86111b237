import ArgumentParser
import Commands
import Control
import Glibc
import Monitor
import NIOCore
import Settings
import Simulator

struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the scheduler in virtual time, beside models of other mail servers.",
        discussion: """
            Prints a table for each scenario: what share of the attempts was deferred, how much of \
            the receiver's capacity was used, and so on. docs/simulator.md says how to read and \
            how to write one.
            """)

    @Argument(
        help: ArgumentHelp(
            "Names of scenarios or paths of their files; none: all.", valueName: "scenario"))
    var scenarios: [String] = []

    @Flag(help: "Name the scenarios that there are.")
    var list = false

    @Flag(help: "Also measure what a decision of the scheduler costs, and its ring; some seconds.")
    var core = false

    @Option(help: "What randomness begins with: the same seed, the same figures.")
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Also write the figures to a file.", valueName: "file"))
    var json: String?

    func run() async throws {
        let console = Console.standard()
        let finder = DataFinder("scenarios", executable: ThemeFinder.executable())
        if list { return console.print(finder.names) }
        let names = scenarios.isEmpty ? finder.names : scenarios
        guard !names.isEmpty else {
            throw CommandFailure.refused(
                "no scenarios in \(finder.folders.joined(separator: ", "))")
        }
        // All are read before the first one runs.
        let all = try names.map { name throws in
            let path = finder.path(of: name)
            guard access(path, R_OK) == 0 else {
                throw CommandFailure.usage(
                    "\(path): \(String(cString: strerror(errno))); --list names the scenarios that "
                        + "come with it, anything else is the path of a file")
            }
            do throws(SettingsError) {
                return try Scenario(text: SettingsFile.text(path: path), file: path)
            } catch {
                throw CommandFailure.usage("\(error)")
            }
        }
        var entries: [Report.Entry] = []
        var isMet = true
        if core {
            let benchmark = CoreBenchmark()
            console.print(benchmark.lines + [""])
            entries += benchmark.entries
            isMet = benchmark.isMet
        }
        for (number, scenario) in all.enumerated() {
            let report = Report(scenario, rows: Runner(scenario, seed: seed).rows())
            console.print((number == 0 ? [] : [""]) + report.lines)
            entries += report.entries
            isMet = isMet && report.isMet
        }
        if let json { try write(entries, to: json) }
        if !isMet {
            throw CommandFailure.refused("not every target is met")
        }
    }

    private func write(_ entries: [Report.Entry], to path: String) throws {
        let bytes = try JSON.encode(entries)
        guard let file = fopen(path, "w") else {
            throw CommandFailure.refused("\(path): \(String(cString: strerror(errno)))")
        }
        let written = bytes.readableBytesView.withUnsafeBytes {
            fwrite($0.baseAddress, 1, $0.count, file)
        }
        guard fclose(file) == 0, written == bytes.readableBytes else {
            throw CommandFailure.refused("\(path): \(String(cString: strerror(errno)))")
        }
    }
}

/// Finds the files that come with the program.
private struct DataFinder {
    let folders: [String]
    private let suffix = ".toml"

    /// Beside the executable or in the tree that it was built in, then the system's.
    init(_ kind: String, executable: String?) {
        var folders: [String] = []
        var folder = (executable ?? "")[...]
        for _ in 0..<5 {
            guard let slash = folder.lastIndex(of: "/") else { break }
            folder = folder[..<slash]
            folders.append("\(folder)/\(kind)")
        }
        self.folders =
            folders + ["/usr/local/share/sluice/\(kind)", "/usr/share/sluice/\(kind)"]
    }

    /// Of the first folder that has any.
    var names: [String] {
        for folder in folders {
            guard let directory = opendir(folder) else { continue }
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name.hasSuffix(suffix) { names.append(String(name.dropLast(suffix.count))) }
            }
            if !names.isEmpty { return names.sorted() }
        }
        return []
    }

    /// A name with a slash or the suffix is a path already.
    func path(of name: String) -> String {
        guard !name.contains("/"), !name.hasSuffix(suffix) else { return name }
        let paths = folders.map { "\($0)/\(name)\(suffix)" }
        return paths.first { access($0, R_OK) == 0 } ?? name
    }
}
