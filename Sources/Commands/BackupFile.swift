#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A file that has its name only when it is whole and on the disk. Until then it lies beside, and
/// goes with this object.
package final class BackupFile {
    private let path: String
    private let replaces: Bool
    /// Its name until then.
    package let partial: String
    private let descriptor: Int32
    package private(set) var bytes = 0
    private var isFinished = false

    /// - Parameter replaces: a file with that name may go.
    /// - Throws: `CommandFailure`, as all of it.
    package init(path: String, replaces: Bool) throws(CommandFailure) {
        self.path = path
        self.replaces = replaces
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw .refused("\(path) is no file: name one that is to be made")
            }
            guard replaces else { throw Self.exists(path) }
        }
        // Mail is nobody else's business: mkstemp makes it readable for its owner only.
        var name = Array("\(path).partial-XXXXXX".utf8CString)
        descriptor = mkstemp(&name)
        guard descriptor >= 0 else { throw Self.failure(path) }
        partial = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit {
        close(descriptor)
        if !isFinished { unlink(partial) }
    }

    package func append(_ piece: some Collection<UInt8>) throws(CommandFailure) {
        var rest = Array(piece)[...]
        bytes += rest.count
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.failure(path) }
            rest = rest.dropFirst(count)
        }
    }

    package func finish() throws(CommandFailure) {
        guard fsync(descriptor) == 0 else { throw Self.failure(path) }
        if replaces {
            guard rename(partial, path) == 0 else { throw Self.failure(path) }
        } else {
            // Unlike a rename this replaces nothing that has come meanwhile.
            guard link(partial, path) == 0 else {
                throw errno == EEXIST ? Self.exists(path) : Self.failure(path)
            }
            unlink(partial)
        }
        isFinished = true
        syncDirectory()
    }

    /// So that the name is on the disk too; a file system that cannot do that has no better way.
    private func syncDirectory() {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        close(descriptor)
    }

    private static func exists(_ path: String) -> CommandFailure {
        .refused("\(path) exists: take another name, or --force")
    }

    private static func failure(_ path: String) -> CommandFailure {
        let reason = String(cString: strerror(errno))
        let remedy =
            switch errno {
            case ENOENT, ENOTDIR: ": make its directory first"
            case EACCES, EPERM, EROFS: ": name a place that you may write"
            case ENOSPC, EDQUOT: ": name a place with more room; nothing was left there"
            default: "; nothing was left there"
            }
        return .refused("\(path): \(reason)\(remedy)")
    }
}
