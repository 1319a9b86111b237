import ArgumentParser
import Settings
import Spool

struct Fsck: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the spool of a daemon that is not running.",
        discussion: """
            Without options nothing is changed. Exit status: 0 good, all repaired, or all salvaged; \
            1 something is wrong, or the spool cannot be looked at; 2 the configuration is wrong; \
            64 wrong usage.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Repair what can be repaired without guessing.")
    var repair = false

    @Option(
        help: ArgumentHelp(
            "Copy what can be read of a damaged spool into a new directory.",
            valueName: "directory"))
    var salvage: String?

    func validate() throws {
        if repair, salvage != nil {
            throw ValidationError("--salvage leaves the damaged spool as it is: no --repair")
        }
    }

    func run() throws {
        let configuration: Configuration
        do throws(SettingsError) {
            configuration = try Configuration.load(path: options.path)
        } catch {
            complain("\(error)")
            throw ExitCode(2)
        }
        guard configuration.spool.address == nil else {
            complain(
                "sluiced: this spool is in PostgreSQL, which has tools of its own: pg_amcheck "
                    + "checks it, pg_dump and pg_basebackup copy it (docs/cluster.md)")
            throw ExitCode.failure
        }
        let directory = configuration.dataDirectory
        let isGood: Bool
        do throws(SpoolError) {
            if let salvage {
                isGood = try Self.salvage(directory, into: salvage)
            } else {
                isGood = try Self.check(directory, repairs: repair)
            }
        } catch {
            complain("sluiced: \(error)")
            throw ExitCode.failure
        }
        guard isGood else { throw ExitCode.failure }
    }

    private static func check(_ directory: String, repairs: Bool) throws(SpoolError) -> Bool {
        let check = try SpoolCheck(directory: directory, repairs: repairs)
        show(check, directory)
        return check.isGood
    }

    private static func salvage(_ directory: String, into target: String) throws(SpoolError) -> Bool
    {
        let salvage = try SpoolSalvage(directory: directory, into: target)
        for loss in salvage.losses { print("lost: \(loss)") }
        show(salvage.check, target)
        print("To go on with it: move \(directory) away, and \(target) to its place.")
        return salvage.losses.isEmpty && salvage.check.isGood
    }

    private static func show(_ check: SpoolCheck, _ directory: String) {
        for finding in check.findings {
            print(finding.isRepaired ? "repaired: \(finding.text)" : finding.text)
        }
        print(
            "\(directory): \(check.messages) messages, \(check.deliveries) deliveries, "
                + "\(check.destinations) destinations: \(check.isGood ? "good" : "not good")")
    }
}
