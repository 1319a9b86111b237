import Glibc
import PostgreSQL

/// What `sluiced check` reports.
package struct ConfigurationCheck: Sendable {
    /// nil where there are errors.
    package let configuration: Configuration?
    /// Errors and warnings in the order of the file.
    package let problems: [SettingsError.Problem]

    package var errors: [SettingsError.Problem] { problems.filter { $0.severity == .error } }
    package var warnings: [SettingsError.Problem] { problems.filter { $0.severity == .warning } }
}

extension Configuration {
    /// Reads a file as `load` does and also looks at what it names: directories, certificates.
    /// Changes nothing, opens no socket.
    package static func check(path: String) -> ConfigurationCheck {
        let log = ProblemLog(file: path)
        let configuration: Configuration
        do {
            let text = try SettingsFile.text(path: path)
            configuration = read(try TOMLDocument(text: text, file: path), log)
        } catch {
            return ConfigurationCheck(configuration: nil, problems: error.problems)
        }
        configuration.checkSurroundings(log)
        log.finish()
        let isSound = log.problems.allSatisfy { $0.severity == .warning }
        return ConfigurationCheck(
            configuration: isSound ? configuration : nil, problems: log.problems)
    }

    private func checkSurroundings(_ problems: ProblemLog) {
        func report(_ severity: SettingsError.Severity, _ key: String, _ message: String) {
            problems.add(severity, line: problems.lines[key], key: key, message: message)
        }

        if !hostname.contains(".") {
            report(
                .warning, "hostname",
                "\"\(hostname)\" is not a full name; receivers may refuse it in EHLO: set"
                    + " hostname to the name in this host's DNS")
        }
        checkDirectory(dataDirectory, key: "data_dir", report)
        let socketDirectory = Self.parent(of: controlSocket)
        checkDirectory(socketDirectory, key: "control_socket", report)

        if let address = spool.address {
            do throws(DatabaseFailure) {
                _ = try address.password()
            } catch {
                report(.error, "spool.password_file", error.message)
            }
        }
        if let file = log.file { checkLog(file, report) }

        if let certificate = intake.certificate {
            let files = [("tls_certificate", certificate.chain), ("tls_key", certificate.key)]
            for (key, file) in files {
                if access(file, R_OK) != 0 {
                    report(
                        .error, "intake.\(key)",
                        "\(file) cannot be read: \(String(cString: strerror(errno)))")
                }
            }
        }
    }

    private func checkLog(
        _ file: String, _ report: (SettingsError.Severity, String, String) -> Void
    ) {
        var status = stat()
        if stat(file, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR {
                report(.error, "log.file", "\(file) is a directory; name a file in it")
            } else if access(file, W_OK) != 0 {
                report(
                    .error, "log.file",
                    "\(file) cannot be written by user \(geteuid()):"
                        + " \(String(cString: strerror(errno)))")
            }
        } else if errno != ENOENT || access(Self.parent(of: file), W_OK | X_OK) != 0 {
            report(
                .error, "log.file",
                "\(file) cannot be made by user \(geteuid()):"
                    + " \(String(cString: strerror(errno)))")
        }
    }

    private func checkDirectory(
        _ directory: String, key: String,
        _ report: (SettingsError.Severity, String, String) -> Void
    ) {
        var status = stat()
        if stat(directory, &status) != 0 {
            if errno == ENOENT {
                report(
                    .warning, key,
                    "\(directory) does not exist; make it: install -d -m 0750 -o USER \(directory)")
            } else {
                report(
                    .warning, key,
                    "\(directory) cannot be looked at: \(String(cString: strerror(errno)))")
            }
        } else if status.st_mode & S_IFMT != S_IFDIR {
            report(.error, key, "\(directory) is not a directory")
        } else if access(directory, W_OK | X_OK) != 0 {
            report(
                .warning, key,
                "\(directory) cannot be written by user \(geteuid()): the daemon must run as"
                    + " user \(status.st_uid), or: chown USER \(directory)")
        }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    static var currentDirectory: String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { return "." }
        return String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
