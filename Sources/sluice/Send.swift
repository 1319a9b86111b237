import ArgumentParser
import Commands
import Control
import Mail

struct Send: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hands in a message from the standard input.",
        discussion: "Called as sendmail, the program takes sendmail's flags instead.")

    @Option(name: .customShort("f"), help: ArgumentHelp("The sender.", valueName: "address"))
    var sender: String?

    @Option(name: .customShort("F"), help: ArgumentHelp("The sender's name.", valueName: "name"))
    var fullName: String?

    @Flag(name: .customShort("t"), help: "Take the recipients from To, Cc and Bcc.")
    var readsRecipients = false

    @Flag(name: .customShort("i"), help: "A line with only a dot does not end what is typed.")
    var ignoresDots = false

    @Argument(help: ArgumentHelp("Recipients.", valueName: "recipient"))
    var recipients: [String] = []

    @OptionGroup var connection: ConnectionOptions

    func validate() throws {
        if recipients.isEmpty, !readsRecipients {
            throw ValidationError("name recipients, or take those of the header with -t")
        }
    }

    func run() async throws {
        var options = SendmailOptions()
        options.sender = sender
        options.fullName = fullName
        options.readsRecipients = readsRecipients
        options.recipients = recipients
        let console = Console.standard()
        let client = try connection.single(for: "send")
        do {
            // Only what is typed can end with a dot: in a file such a line is part of the text.
            let input = try StandardInput.message(
                endsAtDot: StandardInput.isTerminal && !ignoresDots)
            let id = try await submit(input, options, client, console)
            console.print(["Accepted as \(SafeText(id))."])
        } catch let failure as CommandFailure {
            let status =
                failure.status == SysExit.usage ? ExitStatus.usage : ExitStatus.refused
            throw CommandFailure(status: status, message: failure.message)
        }
    }
}

/// Completes a message and hands it in; the id that it has from now on.
func submit(
    _ input: [UInt8], _ options: SendmailOptions, _ client: ControlClient, _ console: Console
) async throws -> String {
    let user = SystemUser.current()
    let author = Submission.Author(
        user: user.login, fullName: Console.environment("NAME") ?? user.fullName,
        domain: try await client.status().hostname)
    let submission = try Submission(
        input, options: options, author: author, now: console.now(),
        unique: .random(in: 0...UInt64.max))
    return try await submission.send(client)
}

/// The program as other programs call it.
enum Sendmail {
    static func run(_ program: String, _ arguments: [String], _ console: Console) async -> Int32 {
        let socket = SocketPath.resolve(
            option: nil, environment: Console.environment("SLUICE_SOCKET"))
        let client = ControlClient(socket: socket)
        do {
            let options = try SendmailOptions(program: program, arguments)
            switch options.mode {
            case .nothing: break
            case .printQueue: try await printQueue(client, console)
            case .deliver:
                let input = try StandardInput.message(endsAtDot: !options.ignoresDots)
                _ = try await submit(input, options, client, console)
            }
            return SysExit.ok
        } catch {
            return Sluice.report(Submission.failure(error), program: program, console)
        }
    }

    private static func printQueue(_ client: ControlClient, _ console: Console) async throws {
        let page = try await client.messages(sort: "age", descending: true, limit: 1000)
        if page.rows.isEmpty {
            console.print(["Mail queue is empty"])
        } else {
            console.print(Table.messages(page.rows, now: page.at))
            console.print(["-- \(Format.count(page.total, "delivery"))"])
        }
    }
}
