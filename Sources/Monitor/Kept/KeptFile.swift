import Glibc
package import Settings

/// `monitor.toml` in the operator's folder.
package struct KeptFile: Sendable {
    package let path: String

    package init(path: String) {
        self.path = path
    }

    /// nil where there is no place for it.
    package init?(environment: (String) -> String?) {
        guard let folder = UserFolder.path(environment: environment) else { return nil }
        path = folder + "/monitor.toml"
    }

    /// Nothing is chosen where there is no file.
    package func read() throws(SettingsError) -> KeptChoices {
        guard access(path, F_OK) == 0 else { return KeptChoices() }
        guard let text = UserFolder.text(of: path) else {
            throw SettingsError(
                file: path, line: nil,
                message: "cannot be read: \(String(cString: strerror(errno)))")
        }
        return try KeptChoices(text: text, file: path)
    }

    /// Makes a change to the file as it is now. A file that is wrong is left alone: what is in it
    /// is not to be lost.
    package func make(_ change: KeptChoices.Change) throws(SettingsError) {
        var choices = try read()
        choices.make(change)
        UserFolder.make(for: path)
        let partial = path + ".partial"
        guard let stream = fopen(partial, "w") else { throw failed() }
        let isWritten = fputs(choices.text, stream) >= 0
        let isClosed = fclose(stream) == 0
        guard isWritten, isClosed, rename(partial, path) == 0 else {
            let error = failed()
            unlink(partial)
            throw error
        }
    }

    private func failed() -> SettingsError {
        SettingsError(
            file: path, line: nil,
            message: "cannot be written: \(String(cString: strerror(errno)))")
    }
}

extension UserFolder {
    /// The folder of a file in the operator's folder, and the one above it.
    static func make(for path: String) {
        guard let slash = path.lastIndex(of: "/") else { return }
        let folder = path[..<slash]
        if let above = folder.lastIndex(of: "/") { mkdir(String(folder[..<above]), 0o755) }
        mkdir(String(folder), 0o755)
    }
}
