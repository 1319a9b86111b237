/// `[log]`: what is written, how, and where.
package struct LogSettings: Hashable, Sendable, Codable {
    package enum Level: String, Hashable, Sendable, Codable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }

    package enum Format: String, Hashable, Sendable, Codable, CaseIterable {
        /// Time, level and event for people, then fields as logfmt has them.
        case text
        case logfmt
        case json
    }

    package var level = Level.info
    package var format = Format.text
    /// nil: standard error.
    package var file: String?

    package init() {}

    mutating func read(_ reader: TableReader, directory: String) {
        reader.read("level", .choice, into: &level)
        reader.read("format", .choice, into: &format)
        reader.read("file", ValueKind<String>.path(relativeTo: directory), into: &file)
    }
}
