import ArgumentParser
import Commands
import Control
import Glibc
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
        try await connection.client.backup { try copy.append($0) }
        try copy.finish()
        Console.standard().print(["\(file): \(Format.size(copy.bytes))"])
    }
}

/// A file that has its name only when it is whole and on the disk.
private final class BackupFile {
    private let path: String
    private let replaces: Bool
    private let partial: String
    private let descriptor: Int32
    private(set) var bytes = 0
    private var isFinished = false

    init(path: String, replaces: Bool) throws {
        self.path = path
        self.replaces = replaces
        guard replaces || access(path, F_OK) != 0 else {
            throw CommandFailure.refused("\(path) exists: take another name, or --force")
        }
        partial = path + ".partial"
        // Mail is nobody else's business.
        descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure(partial) }
    }

    deinit {
        close(descriptor)
        if !isFinished { unlink(partial) }
    }

    func append(_ piece: ByteBuffer) throws {
        var rest = piece.readableBytesView[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure(partial) }
            rest = rest.dropFirst(count)
        }
        bytes += piece.readableBytes
    }

    func finish() throws {
        guard fsync(descriptor) == 0, rename(partial, path) == 0 else { throw Self.failure(path) }
        isFinished = true
    }

    private static func failure(_ path: String) -> CommandFailure {
        .refused("\(path): \(String(cString: strerror(errno)))")
    }
}
