import ArgumentParser
import Commands
import Control
import NIOCore
import UnixSignals

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

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
        let client = try connection.single(for: "backup \(file)")
        // Before there is anything to remove.
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sighup)
        let copy = try BackupFile(path: file, replaces: force)
        try await withThrowingTaskGroup(of: Void.self) { [partial = copy.partial] group in
            group.addTask { await Self.end(on: signals, removing: partial) }
            try await client.backup { try copy.append($0.readableBytesView) }
            try copy.finish()
            group.cancelAll()
        }
        Console.standard().print(["\(file): \(Format.size(copy.bytes))"])
    }

    /// Ctrl-C and its like end the program with the status that a shell gives them, and leave nothing
    /// behind. The signal itself would not do: the threads of the pool block it.
    private static func end(on signals: UnixSignalsSequence, removing partial: String) async {
        for await caught in signals {
            unlink(partial)
            _exit(128 + caught.rawValue)
        }
    }
}
