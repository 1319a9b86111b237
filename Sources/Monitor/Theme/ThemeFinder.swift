import Glibc
package import Settings
package import Terminal

/// Finds a theme by its name or by the path of its file.
package struct ThemeFinder: Sendable {
    package static let defaultName = "dark"

    /// Searched in this order, for `NAME.toml`.
    package var folders: [String]

    package init(folders: [String]) {
        self.folders = folders
    }

    /// The user's, then beside the executable, then of the tree that it was built in (the
    /// executable lies some folders below), then the system's.
    package init(executable: String?, environment: (String) -> String?) {
        folders = []
        if let folder = UserFolder.path(environment: environment) {
            folders.append(folder + "/themes")
        }
        var folder = (executable ?? "")[...]
        for _ in 0..<4 {
            guard let slash = folder.lastIndex(of: "/") else { break }
            folder = folder[..<slash]
            folders.append(folder + "/themes")
        }
        folders += ["/usr/local/share/sluice/themes", "/usr/share/sluice/themes"]
    }

    /// The path of this process's executable.
    package static func executable() -> String? {
        withUnsafeTemporaryAllocation(byteCount: Int(PATH_MAX), alignment: 1) { buffer in
            let bytes = buffer.bindMemory(to: CChar.self)
            let count = readlink("/proc/self/exe", bytes.baseAddress!, bytes.count)
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    /// nil is the default, which needs no file. A name with a slash or ending in `.toml` is a
    /// path.
    package func theme(named name: String?) throws(SettingsError) -> Theme {
        guard let name else {
            return .standard
        }
        if name.contains("/") || name.hasSuffix(".toml") {
            guard let text = UserFolder.text(of: name) else {
                throw SettingsError(file: name, line: nil, message: "no such theme can be read")
            }
            return try Theme(text: text, file: name)
        }
        for folder in folders {
            let path = "\(folder)/\(name).toml"
            if let text = UserFolder.text(of: path) { return try Theme(text: text, file: path) }
        }
        if name == Self.defaultName { return try theme(named: nil) }
        let known = names()
        throw SettingsError(
            file: name, line: nil,
            message: "no theme of that name; there are \(known.joined(separator: ", "))")
    }

    /// The one for a terminal's ground. Built in where the light one is not found.
    package func theme(for ground: TerminalGround?) -> Theme {
        if ground == .light, let light = try? theme(named: "light") { return light }
        return .standard
    }

    /// Where a theme comes from: the file that `theme(named:)` reads; nil: built in, or nowhere.
    package func path(of name: String) -> String? {
        folders.lazy.map { "\($0)/\(name).toml" }.first { access($0, R_OK) == 0 }
    }

    /// All that are found, sorted.
    package func names() -> [String] {
        var names: Set<String> = [Self.defaultName]
        for folder in folders {
            guard let directory = opendir(folder) else { continue }
            defer { closedir(directory) }
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name.hasSuffix(".toml") { names.insert(String(name.dropLast(5))) }
            }
        }
        return names.sorted()
    }
}
