import ArgumentParser
import Commands
import Control
import NIOCore

struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy the spool of the running daemon into a file.",
        discussion: """
            The copy is of one instant, while mail goes on. To restore it, stop the daemon, put the \
            file in place of spool.db in the data directory (without a spool.db-wal), check it \
            with sluiced fsck, and start the daemon. What left the queue since the backup is sent \
            again then.
            """)

    @Argument(help: ArgumentHelp("The file; its directory exists.", valueName: "file"))
    var file: String

    @Flag(help: "Replace a file that is there.")
    var force = false

    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let copy = try BackupFile(path: file, replaces: force)
        try await connection.client.backup { try copy.append($0.readableBytesView) }
        try copy.finish()
        Console.standard().print(["\(file): \(Format.size(copy.bytes))"])
    }
}
