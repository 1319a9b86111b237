import Glibc
import Synchronization

/// The directory that the spool lives in, held by this process alone for as long as the value's
/// lock is not released.
///
/// The lock is an advisory one on a file of its own (`flock`, LOCK_EX), so that it ends with the
/// process however that ends. The descriptor is close-on-exec: a worker that is spawned does not
/// inherit it and cannot keep the spool locked when the manager has died.
package final class DataDirectory: Sendable {
    package let path: String
    private let lock: Int32
    /// Device and inode of the database.
    private let file = Mutex<FileIdentity?>(nil)

    private struct FileIdentity: Equatable {
        var device: dev_t
        var inode: ino_t
    }

    package var databasePath: String { path + "/spool.db" }

    /// - Throws: `unusable` for a directory that is missing, not a directory or not writable;
    ///   `inUse` with the pid of the holder.
    package init(path: String) throws(SpoolError) {
        self.path = path
        try Self.check(path)
        lock = try Self.acquire(path + "/spool.lock")
    }

    package func release() {
        // Emptied, so that nobody is told the pid of a process that has gone.
        _ = ftruncate(lock, 0)
        close(lock)
    }

    /// Makes the database file before SQLite does, which would make it readable for everybody;
    /// its companions (-wal, -shm) get the mode of the database.
    func createDatabaseFile() throws(SpoolError) {
        let file = open(databasePath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.unusable(databasePath, "cannot be opened", errno) }
        close(file)
        self.file.withLock { $0 = identity() }
    }

    /// What is written into a file that nobody finds any more is lost with this process.
    ///
    /// - Throws: `cannotWrite` while the database is not where it was opened: until it is back.
    func checkPlace() throws(SpoolError) {
        var status = stat()
        let isThere = stat(databasePath, &status) == 0
        let reason = errno
        let found = FileIdentity(device: status.st_dev, inode: status.st_ino)
        if isThere, found == file.withLock({ $0 }) { return }
        throw SpoolError(
            code: .cannotWrite,
            cause: isThere || reason == ENOENT || reason == ENOTDIR
                ? "the file has been moved, removed or replaced while sluiced uses it; put it "
                    + "back, or restart sluiced for what is there now"
                : "\(String(cString: strerror(reason))); let the user that sluiced runs as read "
                    + "and write it and its directory",
            context: databasePath)
    }

    private func identity() -> FileIdentity? {
        var status = stat()
        guard stat(databasePath, &status) == 0 else { return nil }
        return FileIdentity(device: status.st_dev, inode: status.st_ino)
    }

    /// - Throws: `unusable` if there is no spool yet.
    func requireDatabase() throws(SpoolError) {
        guard access(databasePath, F_OK) == 0 else {
            throw SpoolError(
                code: .unusable, cause: "there is no spool here: is data_dir right?",
                context: databasePath)
        }
    }

    /// - Throws: `damaged` for a spool that was cut off before its first byte: a start would take it
    ///   for a new one, and SQLite would remove its log (pager.c, pagerOpenWalIfPresent).
    func requireContent() throws(SpoolError) {
        var status = stat()
        if stat(databasePath, &status) == 0, status.st_size > 0 { return }
        throw SpoolError(
            code: .damaged,
            cause: "is empty: it was never used, or has been cut off; restore a backup, or move it "
                + "away to start an empty one",
            context: databasePath)
    }

    /// An empty file with a name that no other has, readable for its owner only.
    func createTemporaryFile(prefix: String) throws(SpoolError) -> String {
        var template = Array("\(path)/\(prefix)XXXXXX".utf8CString)
        let file = mkstemp(&template)
        guard file >= 0 else { throw Self.unusable(path, "is there room on its disk?", errno) }
        close(file)
        return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Removes the files of this directory whose names begin so; what cannot be removed stays.
    func removeFiles(prefix: String) {
        guard let entries = opendir(path) else { return }
        defer { closedir(entries) }
        while let entry = readdir(entries) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(prefix) { unlink("\(path)/\(name)") }
        }
    }

    /// Writes a file that only its owner may read, in a folder of this directory, and returns when
    /// it is on the disk. One with the same name is replaced.
    func keep(_ bytes: [UInt8], as name: String, in folder: String) throws(SpoolError) {
        let folder = "\(path)/\(folder)"
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw Self.unusable(folder, "cannot be made", errno)
        }
        let file = open("\(folder)/\(name)", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.unusable(folder, "cannot be written", errno) }
        defer { close(file) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw Self.unusable(folder, "is there room on its disk?", errno)
            }
            rest = rest.dropFirst(count)
        }
        guard fsync(file) == 0 else { throw Self.unusable(folder, "cannot be written", errno) }
    }

    /// What is left on its disk for others than root.
    func freeBytes() throws(SpoolError) -> Int {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else {
            throw Self.unusable(path, "is the disk still there?", errno)
        }
        let (bytes, overflow) = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
        return overflow ? .max : Int(clamping: bytes)
    }

    private static func check(_ path: String) throws(SpoolError) {
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else {
            let remedy =
                switch errno {
                case ENOENT: "create it for the user that sluiced runs as, or change data_dir"
                case ENOTDIR: "set data_dir to a directory"
                default: "let the user that sluiced runs as read and write it"
                }
            throw unusable(path, remedy, errno)
        }
        close(directory)
        guard access(path, W_OK | X_OK) == 0 else {
            throw unusable(
                path, "let the user that sluiced runs as write it, or change data_dir", errno)
        }
    }

    private static func acquire(_ path: String) throws(SpoolError) -> Int32 {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else {
            throw unusable(path, "let the user that sluiced runs as write it", errno)
        }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let reason = errno
            let holder = reason == EWOULDBLOCK ? readPID(file) : nil
            close(file)
            guard reason == EWOULDBLOCK else { throw unusable(path, "cannot be locked", reason) }
            let who = holder.map { "the process with pid \($0)" } ?? "another process"
            throw SpoolError(
                code: .inUse,
                cause: "\(who) uses this spool; stop it, or give this daemon another data_dir",
                context: path)
        }
        let pid = Array("\(getpid())\n".utf8)
        guard ftruncate(file, 0) == 0, pwrite(file, pid, pid.count, 0) == pid.count else {
            let reason = errno
            close(file)
            throw unusable(path, "cannot be written", reason)
        }
        return file
    }

    private static func readPID(_ file: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(file, &bytes, bytes.count, 0)
        guard count > 0 else { return nil }
        return Int(String(decoding: bytes[..<count].prefix { $0 != 0x0A }, as: UTF8.self))
    }

    private static func unusable(
        _ path: String, _ remedy: String, _ error: Int32
    ) -> SpoolError {
        SpoolError(
            code: .unusable, cause: "\(String(cString: strerror(error))); \(remedy)",
            context: path)
    }
}
