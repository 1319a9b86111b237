import Glibc
import Settings

/// A number that a data directory keeps, and no other has: it tells two nodes of one name apart.
struct NodeHome {
    let number: Int64

    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Reads it, or makes one.
    init(directory: String) throws {
        let path = directory + "/node-home"
        if let text = Self.read(path), let known = Int64(text) {
            number = known
            return
        }
        guard access(path, F_OK) != 0 else {
            throw Failure(
                description: "\(path) is not a number; if this data directory is not a copy of "
                    + "another node's, remove the file")
        }
        number = Int64.random(in: 1 ... .max)
        let partial = path + ".partial"
        guard let file = fopen(partial, "w") else {
            throw Failure(description: "\(partial): \(WorkerProcess.errorText())")
        }
        let isWritten =
            fputs("\(number)\n", file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0
        guard fclose(file) == 0, isWritten, rename(partial, path) == 0 else {
            throw Failure(description: "\(path): \(WorkerProcess.errorText())")
        }
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = fread(&bytes, 1, bytes.count, file)
        let digits = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
        return digits.isEmpty ? nil : String(decoding: digits, as: UTF8.self)
    }
}
