import Glibc

/// The first bytes of a spool's file that are the same in each, so that they can be made anew where
/// they are damaged (https://www.sqlite.org/fileformat2.html, 1.3).
enum SpoolHeader {
    /// What stands where. The rest says what is in the file: how much, of which version.
    private static let fields: [(offset: Int, bytes: [UInt8])] = [
        (0, Array("SQLite format 3\0".utf8)),
        (16, [UInt8(SQLiteSpool.pageSize >> 8), UInt8(SQLiteSpool.pageSize & 0xFF)]),
        // Written and read with a write-ahead log; nothing reserved in pages; the payload's
        // fractions.
        (18, [2, 2, 0, 64, 32, 32]),
        // The schema's format.
        (44, [0, 0, 0, 4]),
        // No vacuum by itself.
        (52, [0, 0, 0, 0]),
        // UTF-8.
        (56, [0, 0, 0, 1]),
        (64, [0, 0, 0, 0]),
        (68, (0..<4).map { UInt8(truncatingIfNeeded: SpoolSchema.applicationID >> (24 - 8 * $0)) }),
    ]

    /// A copy of a spool and its log in another directory, with a whole header.
    static func restore(
        _ source: DataDirectory, in directory: DataDirectory
    ) throws(SpoolError) -> SpoolCopy {
        let copy = SpoolCopy(
            path: try directory.createTemporaryFile(prefix: "salvage-"), hasLog: true)
        try copyFile(source.databasePath, to: copy.path)
        if access(source.databasePath + "-wal", F_OK) == 0 {
            try copyFile(source.databasePath + "-wal", to: copy.path + "-wal")
        }
        let file = open(copy.path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { throw failure(copy.path) }
        defer { close(file) }
        for field in fields {
            let count = field.bytes.count
            guard pwrite(file, field.bytes, count, off_t(field.offset)) == count else {
                throw failure(copy.path)
            }
        }
        return copy
    }

    private static func copyFile(_ path: String, to target: String) throws(SpoolError) {
        let from = open(path, O_RDONLY | O_CLOEXEC)
        guard from >= 0 else { throw failure(path) }
        defer { close(from) }
        let into = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard into >= 0 else { throw failure(target) }
        defer { close(into) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = read(from, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(path) }
            if count == 0 { return }
            var start = 0
            while start < count {
                let written = buffer.withUnsafeBytes {
                    write(into, $0.baseAddress! + start, count - start)
                }
                if written < 0, errno == EINTR { continue }
                guard written > 0 else { throw failure(target) }
                start += written
            }
        }
    }

    private static func failure(_ path: String) -> SpoolError {
        SpoolError(code: .cannotWrite, cause: String(cString: strerror(errno)), context: path)
    }
}
