import Glibc

extension SavedFile {
    /// Returns the path. An existing file is left alone.
    func write() -> Result<String, Failure> {
        func failed() -> Result<String, Failure> {
            .failure(Failure(code: nil, message: "\(name): \(String(cString: strerror(errno)))"))
        }
        let descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return failed() }
        defer { close(descriptor) }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return failed() }
            bytes = bytes.dropFirst(count)
        }
        return .success(name)
    }
}
