import Glibc

/// A file that lasts as long as somebody refers to it.
package final class SpoolCopy: Sendable {
    package let path: String
    /// SQLite may make a log and an index of it beside it.
    private let hasLog: Bool

    init(path: String, hasLog: Bool = false) {
        self.path = path
        self.hasLog = hasLog
    }

    deinit {
        unlink(path)
        guard hasLog else { return }
        unlink(path + "-wal")
        unlink(path + "-shm")
    }
}
