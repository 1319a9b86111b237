import Glibc
package import Settings

/// The operator's own files of the monitor.
package enum UserFolder {
    /// `$XDG_CONFIG_HOME/sluice`, else `~/.config/sluice`; nil where neither is known.
    package static func path(environment: (String) -> String?) -> String? {
        if let config = environment("XDG_CONFIG_HOME"), config.hasPrefix("/") {
            return config + "/sluice"
        }
        if let home = environment("HOME"), home.hasPrefix("/") { return home + "/.config/sluice" }
        return nil
    }

    /// The text of a small file; nil if there is none, or it cannot be read.
    static func text(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        // None is larger; a device or a wrong file may be.
        let limit = 256 * 1024
        return withUnsafeTemporaryAllocation(byteCount: limit, alignment: 1) { buffer in
            let count = fread(buffer.baseAddress, 1, limit, file)
            return ferror(file) == 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
        }
    }
}

/// The theme that the operator chose in the monitor: its name, in a file of its own.
package enum ChosenTheme {
    private static let file = "/theme"

    package static func name(environment: (String) -> String?) -> String? {
        UserFolder.path(environment: environment).flatMap { UserFolder.text(of: $0 + file) }?
            .split { $0.isWhitespace }.first.map(String.init)
    }

    /// Best effort: without a place for it the choice lasts as long as the monitor.
    package static func keep(_ name: String, environment: (String) -> String?) {
        guard let folder = UserFolder.path(environment: environment) else { return }
        UserFolder.make(for: folder + file)
        let partial = folder + file + ".partial"
        guard let stream = fopen(partial, "w") else { return }
        let isWritten = fputs(name + "\n", stream) >= 0
        if fclose(stream) == 0, isWritten { rename(partial, folder + file) }
    }
}

extension Keymap {
    /// `keys.toml` in the operator's folder.
    package static func path(environment: (String) -> String?) -> String? {
        UserFolder.path(environment: environment).map { $0 + "/keys.toml" }
    }

    /// The operator's, or the standard one where there is no file.
    package static func load(environment: (String) -> String?) throws(SettingsError) -> Keymap {
        guard let path = path(environment: environment), access(path, F_OK) == 0 else {
            return .standard
        }
        return try load(path: path)
    }

    package static func load(path: String) throws(SettingsError) -> Keymap {
        guard let text = UserFolder.text(of: path) else {
            throw SettingsError(
                file: path, line: nil,
                message: "cannot be read: \(String(cString: strerror(errno)))")
        }
        return try Keymap(text: text, file: path)
    }
}
