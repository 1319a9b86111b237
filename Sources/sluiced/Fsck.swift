import ArgumentParser
import Settings
import Spool

struct Fsck: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the spool of a daemon that is not running.",
        discussion: "Exit status: 0 good, or all repaired; 1 something is wrong.")

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Repair what can be repaired without guessing.")
    var repair = false

    func run() throws {
        let directory: String
        do throws(SettingsError) {
            directory = try Configuration.load(path: options.path).dataDirectory
        } catch {
            complain("\(error)")
            throw ExitCode(2)
        }
        let check: SpoolCheck
        do throws(SpoolError) {
            check = try SpoolCheck(directory: directory, repairs: repair)
        } catch {
            complain("sluiced: \(error)")
            throw ExitCode.failure
        }
        for finding in check.findings {
            print(finding.isRepaired ? "repaired: \(finding.text)" : finding.text)
        }
        print(
            "\(directory): \(check.messages) messages, \(check.deliveries) deliveries, "
                + "\(check.destinations) destinations: \(check.isGood ? "good" : "not good")")
        guard check.isGood else { throw ExitCode.failure }
    }
}
