import Glibc

/// A new directory under /tmp that only its owner can enter.
package struct TemporaryDirectory: Sendable {
    package let path: String

    /// Throws `TestbedError.system` if it cannot be made.
    package init(prefix: String) throws {
        var template = Array("/tmp/\(prefix)-XXXXXX".utf8CString)
        // mkdtemp makes it with mode 0700.
        guard mkdtemp(&template) != nil else { throw TestbedError.system("mkdtemp", errno) }
        path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The path of something in it.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Removes it and all that is in it. What is gone already is fine; symbolic links are not
    /// followed.
    package func remove() {
        Self.removeTree(path)
    }

    private static func removeTree(_ path: String) {
        // A directory cannot be unlinked; everything else, a link to a directory too, can.
        if unlink(path) == 0 { return }
        for name in entries(of: path) {
            removeTree("\(path)/\(name)")
        }
        rmdir(path)
    }
}

/// The names in a directory, without "." and ".."; none if it cannot be read.
func entries(of path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

/// Writes a whole file, readable by its owner only.
func write(_ text: String, to path: String) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw TestbedError.system(path, errno) }
    defer { close(descriptor) }
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count > 0 else { throw TestbedError.system(path, errno) }
        rest = rest.dropFirst(count)
    }
}

/// The last lines of a text file, at most 16 KiB of it; none if it cannot be read.
func lastLines(of path: String, count: Int) -> [String] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { close(descriptor) }
    let start = max(0, lseek(descriptor, 0, SEEK_END) - 16_384)
    var bytes = [UInt8](repeating: 0, count: 16_384)
    let length = pread(descriptor, &bytes, bytes.count, start)
    return String(decoding: bytes.prefix(max(0, length)), as: UTF8.self)
        .split(separator: "\n").suffix(count).map(String.init)
}
