import Glibc

/// A settings file's bytes, read whole.
package enum SettingsFile {
    /// A settings file above this is a mistake: the wrong file.
    package static let maximumSize = 16 << 20

    /// Throws, naming the file, the reason and the remedy.
    package static func text(path: String) throws(SettingsError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, errno) }
        defer { close(descriptor) }

        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress, $0.count)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure(path, errno) }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
            guard bytes.count <= maximumSize else {
                throw SettingsError(
                    file: path, line: nil,
                    message: "larger than \(maximumSize >> 20) MiB: not a settings file")
            }
        }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        let line = lineOfInvalidUTF8(bytes)
        throw SettingsError(
            file: path, line: line, message: "not UTF-8; convert it, for example with iconv")
    }

    private static func failure(_ path: String, _ code: Int32) -> SettingsError {
        let message =
            switch code {
            case ENOENT: "no such file; give the right path with --config"
            case EACCES: "permission denied; make it readable for the user who runs this"
            case EISDIR: "a directory, not a file"
            default: "cannot be read: \(String(cString: strerror(code)))"
            }
        return SettingsError(file: path, line: nil, message: message)
    }

    private static func lineOfInvalidUTF8(_ bytes: [UInt8]) -> Int? {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .firstIndex { String(validating: $0, as: UTF8.self) == nil }
            .map { $0 + 1 }
    }
}
