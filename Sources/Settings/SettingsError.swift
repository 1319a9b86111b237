import Mail

/// Everything that is wrong with a settings file (a configuration, a theme), not only the first
/// thing.
package struct SettingsError: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Severity: Sendable, Hashable {
        case error
        /// Works, but hardly as meant.
        case warning
    }

    package struct Problem: Sendable, Hashable, CustomStringConvertible {
        package var severity: Severity
        package var file: String
        /// Counted from 1; nil where the problem is the file as a whole.
        package var line: Int?
        /// The key's path, "limits.rate" or "shaping[2].match"; empty for the file as a whole.
        package var key: String
        /// What is wrong and what would be right.
        package var message: String

        package init(
            severity: Severity = .error, file: String, line: Int?, key: String = "",
            message: String
        ) {
            self.severity = severity
            self.file = file
            self.line = line
            // Both may quote the file, which may hold anything.
            self.key = SafeText(key).text
            self.message = SafeText(message).text
        }

        /// `file:line: key: message`, with "warning: " before the key where it is one.
        package var description: String {
            let place = line.map { "\(file):\($0): " } ?? "\(file): "
            let kind = severity == .warning ? "warning: " : ""
            return place + kind + (key.isEmpty ? "" : "\(key): ") + message
        }
    }

    /// Never empty; in the order of the file.
    package let problems: [Problem]

    package init(problems: [Problem]) {
        self.problems = problems
    }

    package init(file: String, line: Int?, key: String = "", message: String) {
        self.init(
            problems: [Problem(file: file, line: line, key: key, message: message)])
    }

    /// One problem a line.
    package var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
