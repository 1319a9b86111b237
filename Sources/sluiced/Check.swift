import ArgumentParser
import Settings

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is wrong with a configuration, by line.")

    @OptionGroup var options: ConfigurationOptions

    func run() throws {
        let check = Configuration.check(path: options.path)
        for problem in check.problems { complain("\(problem)") }
        guard check.errors.isEmpty else { throw ExitCode.failure }
        print("\(options.path): \(check.warnings.isEmpty ? "good" : "usable, with warnings")")
    }
}
