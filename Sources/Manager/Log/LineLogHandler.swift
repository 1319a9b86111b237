package import Logging
package import Mail

/// swift-log's lines in the daemon's format: time, level, message, and the metadata as logfmt.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let log: LineLog
    private let now: @Sendable () -> UnixTime

    package init(log: LineLog, level: Logger.Level, now: @escaping @Sendable () -> UnixTime) {
        self.log = log
        self.now = now
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = "\(DateHeader.iso8601(now())) \(event.level) \(event.message)"
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += " \(key)=\(Logfmt.quoted("\(value)"))"
        }
        // What stops or changes the daemon is seen at once.
        log.append(SafeText(line, limit: 8000).text, now: event.level >= .notice)
    }
}

/// Values of "key=value" lines.
enum Logfmt {
    static func quoted(_ value: String) -> String {
        let plain = value.utf8.allSatisfy {
            $0 > 0x20 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") && $0 < 0x7f
        }
        if plain && !value.isEmpty { return value }
        var text = "\""
        for scalar in value.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { text.unicodeScalars.append("\\") }
            text.unicodeScalars.append(scalar)
        }
        return text + "\""
    }
}
