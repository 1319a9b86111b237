package import Logging
package import Mail
import Settings

/// swift-log's lines in the daemon's log: the message is the event, the metadata the fields.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    /// The log's, which a reload may change, unless a logger has one of its own.
    package var logLevel: Logger.Level {
        get { ownLevel ?? log.loggerLevel }
        set { ownLevel = newValue }
    }
    private var ownLevel: Logger.Level?
    private let log: LineLog
    private let now: @Sendable () -> UnixTime

    /// - Parameter level: nil: that of the log.
    package init(
        log: LineLog, level: Logger.Level? = nil, now: @escaping @Sendable () -> UnixTime
    ) {
        self.log = log
        self.now = now
        ownLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var line = LogLine(
            log.format, at: now(), level: event.level.rawValue, event: event.message.description)
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { line.add(key, "\(value)") }
        line.end()
        // What stops or changes the daemon is seen at once.
        log.append(line, now: event.level >= .notice)
    }
}

extension LineLog {
    fileprivate var loggerLevel: Logger.Level { Logger.Level(rawValue: level.rawValue) ?? .info }

    /// Whether attempts and what is taken in have their lines.
    package var hasInfo: Bool { loggerLevel <= .info }
}
