package import Scheduler

/// The keys that limit a destination: `[limits]` sets them for all, `[[shaping]]` for some. nil:
/// not set here.
package struct LimitKeys: Hashable, Sendable, Codable {
    /// Connections at once, at most.
    package var concurrency: Int?
    /// Messages.
    package var rate: Switchable<Rate>?
    /// Messages that may go at once after a pause.
    package var burst: Int?
    /// New connections.
    package var connectionRate: Switchable<Rate>?
    package var messagesPerConnection: Switchable<Int>?
    /// Connections at once to begin with.
    package var initialWindow: Int?

    package init() {}

    package mutating func read(_ reader: TableReader) {
        reader.read("concurrency", .integer(1...10_000), into: &concurrency)
        reader.read("rate", Switchable.kind(.rate), into: &rate)
        reader.read("burst", .integer(1...1_000_000), into: &burst)
        reader.read("connection_rate", Switchable.kind(.rate), into: &connectionRate)
        reader.read(
            "messages_per_connection", Switchable.kind(.integer(1...1_000_000)),
            into: &messagesPerConnection)
        reader.read("initial_window", .integer(1...10_000), into: &initialWindow)
    }

    /// Reports keys that contradict each other. `base`: what holds where this sets nothing.
    package func check(_ reader: TableReader, base: Limits) {
        let limits = applied(to: base)
        // A rate that is wrong is reported as that.
        let isWrong = rate == nil && reader.has("rate")
        if burst != nil && limits.rate == nil && !isWrong {
            reader.error("burst", "has no meaning without rate; set rate too")
        }
        if let initialWindow, initialWindow > limits.concurrency {
            reader.error(
                "initial_window", "\(initialWindow) is above concurrency, \(limits.concurrency)")
        }
    }

    package func applied(to base: Limits) -> Limits {
        var limits = base
        if let concurrency { limits.concurrency = concurrency }
        if let rate {
            limits.rate = rate.value
            // A bucket made for another rate means nothing for this one.
            limits.burst = nil
        }
        if let burst { limits.burst = Double(burst) }
        if let connectionRate { limits.connectionRate = connectionRate.value }
        if let messagesPerConnection {
            limits.messagesPerConnection = messagesPerConnection.value
        }
        limits.initialWindow = min(initialWindow ?? limits.initialWindow, limits.concurrency)
        return limits
    }
}

extension ValueKind where Value == Rate {
    /// More than this is no limit for anybody: a mistake.
    private static let fastest = 1_000_000.0

    package static var rate: ValueKind {
        let expected = "a rate such as \"100/s\", \"30/min\" or \"500/h\""
        return ValueKind(expected) { node, complaints in
            let written: String
            switch node.value {
            case .string(let text):
                if let rate = Rate(text: text) {
                    if rate.perSecond <= fastest { return rate }
                    complaints.append(
                        ValueComplaint(
                            message: "\"\(text.escapedForMessage)\" is above a million in a"
                                + " second; \"off\" means no limit"))
                    return nil
                }
                let start = text.prefix { $0 == " " || $0 == "0" || $0 == "." }
                if text.hasPrefix("-") || !start.isEmpty && text.dropFirst(start.count).first == "/"
                {
                    complaints.append(
                        ValueComplaint(
                            message: "expected \(expected), found \"\(text.escapedForMessage)\":"
                                + " nothing would ever be sent; \"off\" means no limit, and"
                                + " \"sluice pause\" keeps mail back"))
                    return nil
                }
                written = text
            case .integer(let number): written = String(number)
            default: return nil
            }
            guard let number = Int(written), number > 0 else { return nil }
            complaints.append(
                ValueComplaint(
                    message: "expected \(expected), found \(number) without a time; did you mean"
                        + " \"\(number)/s\"?"))
            return nil
        }
    }
}
