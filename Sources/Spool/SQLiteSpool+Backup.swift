import GRDB

extension SQLiteSpool {
    /// What a copy's name begins with. One that a crash left behind goes with the next start.
    private static let copyPrefix = "backup-"

    package func copyForBackup() throws(SpoolError) -> SpoolCopy {
        let file = SpoolCopy(path: try directory.createTemporaryFile(prefix: Self.copyPrefix))
        do {
            let copy = try DatabaseQueue(path: file.path)
            // One step: in several, a busy spool would make it start again and again.
            try pool.backup(to: copy)
            // The copy is one file, without a log beside it.
            try copy.writeWithoutTransaction { database in
                _ = try String.fetchOne(database, sql: "PRAGMA journal_mode = DELETE")
            }
            try copy.close()
            return file
        } catch {
            throw SpoolError(error, context: "\(file.path): backup")
        }
    }

    static func removeLeftCopies(in directory: DataDirectory) {
        directory.removeFiles(prefix: copyPrefix)
    }
}
