import ArgumentParser
import Glibc
import Mail
import Scheduler
import Settings

struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what a receiver's reply would do, and by which rule.",
        discussion: """
            Without a reply on the command line, replies are read from standard input, one a \
            line. Example:

                sluiced classify --destination gmail.com "421 4.7.28 Our system has detected …"
            """)

    @OptionGroup var options: ConfigurationOptions

    @Option(
        help: """
            The destination that answers: a domain, or the name or address of an exchanger. May \
            be given several times, for all that one destination is called.
            """)
    var destination: [String] = []

    @Option(help: "To what it answers: greeting, ehlo, mail, rcpt, data or dot.")
    var stage: ReplyStage = .rcpt

    @Flag(help: "Print the built-in rules, as a file of rules, and end.")
    var rules = false

    @Argument(help: "The reply: \"421 4.7.28 Our system has detected …\".")
    var reply: [String] = []

    func run() throws {
        if rules { return print(BuiltInRules.text) }
        let configuration: Configuration
        do throws(SettingsError) {
            configuration = try Configuration.load(path: options.path)
        } catch {
            complain("\(error)")
            throw ExitCode(2)
        }
        let names = DestinationNames(
            identity: "", domains: destination.map { $0.lowercased() }, exchangers: [])
        let table = ReplyRules(configuration)
        let selection = table.selection(for: names)
        let given = reply.joined(separator: " ")
        if !given.isEmpty {
            guard show(given, table, selection) else { throw ExitCode(2) }
            return
        }
        if isatty(STDIN_FILENO) != 0 { throw ValidationError("give a reply to classify") }
        var isGood = true
        while let line = readLine(), !line.isEmpty {
            isGood = show(line, table, selection) && isGood
        }
        guard isGood else { throw ExitCode(2) }
    }

    private func show(
        _ text: String, _ table: ReplyRules, _ selection: ReplyRules.Selection
    ) -> Bool {
        let reply = Reply(stored: SafeText(text).text)
        guard reply.isTransient || reply.isPermanent, !reply.isLocal else {
            complain(
                "\"\(SafeText(text).text)\" is no refusal: a reply begins with 4xx or 5xx, such as"
                    + " \"421 4.7.28 …\"")
            return false
        }
        let stage = Stage(rawValue: stage.rawValue) ?? .rcpt
        let treatment = table.treatment(of: reply, stage: stage, among: selection)
        print("reply   \(reply.text)")
        print("result  \(treatment.explanation)")
        let rule = table.first(for: reply, stage: stage, among: selection)
        if let rule {
            let isOwn = !BuiltInRules.all.contains(rule)
            print("rule    \(rule.name)\(isOwn ? "" : " (built in)")")
            if let source = rule.source { print("source  \(source)") }
        } else {
            print("rule    none; by its codes and words")
        }
        return true
    }
}

enum ReplyStage: String, ExpressibleByArgument, CaseIterable {
    case greeting, ehlo, mail, rcpt, data, dot
}
