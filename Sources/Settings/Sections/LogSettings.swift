/// `[log]`: to stderr.
package struct LogSettings: Hashable, Sendable, Codable {
    package enum Level: String, Hashable, Sendable, Codable, CaseIterable {
        case trace, debug, info, notice, warning, error, critical
    }

    package enum Format: String, Hashable, Sendable, Codable, CaseIterable {
        case text, json
    }

    package var level = Level.info
    package var format = Format.text

    package init() {}

    mutating func read(_ reader: TableReader) {
        reader.read("level", .choice, into: &level)
        reader.read("format", .choice, into: &format)
    }
}
