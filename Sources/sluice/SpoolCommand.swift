import ArgumentParser
import Commands
import Glibc
import Mail
import PostgreSQL
import SharedSpool
import Spool

/// What is done with spools that no daemon uses.
struct SpoolCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spool", abstract: "Move a queue between SQLite and PostgreSQL.",
        subcommands: [Move.self])

    struct Move: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take everything from one spool into another, empty one.",
            discussion: """
                A spool is a data directory, or the postgresql:// URL of a database. Stop the \
                daemon first. What is interrupted goes on when it is run again with the same \
                spools; no daemon starts on either until it has ended. Example:

                    sluice spool move --from /var/lib/sluice --to postgresql://sluice@db1/sluice

                Exit status: 0 all is moved, 1 refused, or something could not be read and stays.
                """)

        @Option(help: ArgumentHelp("Where the mail is.", valueName: "spool"))
        var from: String

        @Option(help: ArgumentHelp("Where it goes.", valueName: "spool"))
        var to: String

        @Option(help: "A file with the database's password in its first line.")
        var passwordFile: String?

        func validate() throws {
            for text in [from, to] where text.contains("://") {
                if let fault = DatabaseAddress.fault(in: text) {
                    throw ValidationError("\(DatabaseAddress(url: text)): \(fault)")
                }
            }
            if from == to { throw ValidationError("--from and --to are the same") }
        }

        func run() throws {
            do {
                try move()
            } catch let error as SpoolError {
                throw CommandFailure.refused("\(error)")
            }
        }

        private func move() throws {
            let source = place(from)
            if case .directory(let path) = source { try OldWorkers.check(path) }
            let old = try source.open(forMove: true) { Self.say("cannot be read: \($0)") }
            defer { old.close() }
            let new = try place(to).open(forMove: true)
            defer { new.close() }
            let total = try old.messageCount()
            var shown = 0
            let outcome = try SpoolMove(from: old, to: new) { moved in
                guard moved >= shown + 500 else { return }
                shown = moved
                Self.say("\(moved) of \(total) messages")
            }.run(number: Int64.random(in: 1 ... .max))
            Console.standard().print(["\(outcome.moved) messages moved to \(place(to))"])
            guard outcome.left.isEmpty else {
                let ids = outcome.left.prefix(20).map(\.description).joined(separator: ", ")
                throw CommandFailure.refused(
                    "\(outcome.left.count) messages have no text that can be read, and stay in "
                        + "\(source): \(ids)")
            }
        }

        private func place(_ text: String) -> SpoolPlace {
            DatabaseAddress.isURL(text)
                ? .database(DatabaseAddress(url: text, passwordFile: passwordFile))
                : .directory(text)
        }

        private static func say(_ text: String) {
            _ = (text + "\n").withCString { write(STDERR_FILENO, $0, strlen($0)) }
        }
    }
}

/// What workers of a daemon that was killed have not told yet.
enum OldWorkers {
    /// - Throws: `refused` while there is something that the next daemon has to take over first.
    static func check(_ directory: String) throws {
        guard access(directory + "/spool.db", F_OK) == 0 else {
            throw SpoolError(
                code: .unusable, cause: "there is no spool here", context: directory)
        }
        let lock = open(directory + "/workers.lock", O_RDWR | O_CLOEXEC)
        defer { if lock >= 0 { close(lock) } }
        let remedy = "start sluiced, stop it in good order, and try again"
        if lock >= 0, flock(lock, LOCK_EX | LOCK_NB) != 0 {
            throw SpoolError(
                code: .inUse, cause: "workers of a daemon are still running; \(remedy)",
                context: directory)
        }
        guard let entries = opendir(directory) else { return }
        defer { closedir(entries) }
        while let entry = readdir(entries) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasPrefix("worker-"), name.hasSuffix(".journal") {
                throw SpoolError(
                    code: .inUse,
                    cause: "workers of a killed daemon have left results in \(name); \(remedy)",
                    context: directory)
            }
        }
    }
}
