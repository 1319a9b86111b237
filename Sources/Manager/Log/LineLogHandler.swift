package import Logging
package import Mail

/// swift-log's lines in the daemon's log: the message is the event, the metadata the fields.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let log: LineLog
    private let now: @Sendable () -> UnixTime

    package init(
        log: LineLog, level: Logger.Level, now: @escaping @Sendable () -> UnixTime
    ) {
        self.log = log
        self.now = now
        logLevel = level
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
