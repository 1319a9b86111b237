package import Mail
package import Settings
import Synchronization

/// One line of the log in one of its formats. Whatever a value contains, the line stays one line,
/// and a reader of the format finds its fields: what could drive a terminal or end a line has been
/// through `SafeText`, and the rest is escaped as the format wants it.
package struct LogLine {
    package private(set) var bytes: [UInt8] = []
    private let format: LogSettings.Format

    /// - Parameter event: the level's words for people, what happened for programs.
    package init(
        _ format: LogSettings.Format, at time: UnixTime, level: String, event: String
    ) {
        self.format = format
        bytes.reserveCapacity(512)
        switch format {
        case .text:
            LogTime.append(time, to: &bytes)
            append(" ")
            append(level)
            append(" ")
            append(Self.plain(event) ? event : SafeText(event, limit: Self.limit).text)
        case .logfmt:
            append("time=")
            LogTime.append(time, to: &bytes)
            append(" level=")
            append(level)
            add("event", event)
        case .json:
            append("{\"time\":\"")
            LogTime.append(time, to: &bytes)
            append("\",\"level\":\"")
            append(level)
            append("\"")
            add("event", event)
        }
    }

    /// Unicode scalars of one value.
    private static let limit = 4000

    package mutating func add(_ key: String, _ value: String) {
        begin(key)
        if format == .json {
            appendString(value)
        } else if Self.isWord(value) {
            append(value)
        } else {
            appendString(value)
        }
    }

    package mutating func add(_ key: String, _ value: Int) {
        begin(key)
        append(String(value))
    }

    /// JSON: an array. Otherwise the values with commas between them.
    package mutating func add(_ key: String, _ values: some Collection<String>) {
        guard format == .json else {
            if values.count == 1, let value = values.first { return add(key, value) }
            return add(key, values.joined(separator: ","))
        }
        begin(key)
        append("[")
        for (index, value) in values.enumerated() {
            if index > 0 { append(",") }
            appendString(value)
        }
        append("]")
    }

    /// Ends the line; nothing is added after it.
    package mutating func end() {
        if format == .json { append("}") }
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func begin(_ key: String) {
        if format == .json {
            append(",")
            appendString(key)
            append(":")
        } else {
            append(" ")
            // Keys are ours, but not all of them are this module's.
            for byte in key.utf8 { bytes.append(Self.isWordByte(byte) ? byte : UInt8(ascii: "_")) }
            append("=")
        }
    }

    /// In quotes; a backslash before quotes and backslashes, as JSON and logfmt both have it.
    private mutating func appendString(_ value: String) {
        append("\"")
        if Self.plain(value) {
            append(value)
        } else {
            for byte in SafeText(value, limit: Self.limit).text.utf8 {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
                    bytes.append(UInt8(ascii: "\\"))
                }
                bytes.append(byte)
            }
        }
        append("\"")
    }

    private mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { bytes.append(contentsOf: $0) }
    }

    /// Printable ASCII without quotes and backslashes, and not too long.
    private static func plain(_ value: String) -> Bool {
        value.utf8.count <= limit
            && value.utf8.allSatisfy {
                $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
    }

    private static func isWord(_ value: String) -> Bool {
        !value.isEmpty && value.utf8.count <= limit && value.utf8.allSatisfy(isWordByte)
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "=")
            && byte != UInt8(ascii: "\\")
    }
}

/// "2026-11-23T22:33:00.123Z", with few steps for many times of the same second.
private enum LogTime {
    static func append(_ time: UnixTime, to bytes: inout [UInt8]) {
        let second = time.milliseconds / 1000
        guard time.milliseconds >= 0 else {
            bytes.append(contentsOf: DateHeader.iso8601(time).utf8)
            return
        }
        let known = cache.withLock { $0 }
        if known.second == second {
            bytes.append(contentsOf: known.text)
        } else {
            let text = Array(DateHeader.iso8601(time).utf8.prefix(20))
            cache.withLock { $0 = (second, text) }
            bytes.append(contentsOf: text)
        }
        let rest = Int(time.milliseconds % 1000)
        for digit in [rest / 100, rest / 10 % 10, rest % 10] {
            bytes.append(UInt8(ascii: "0") + UInt8(digit))
        }
        bytes.append(UInt8(ascii: "Z"))
    }

    private static let cache = Mutex<(second: Int64, text: [UInt8])>((-1, []))
}
