package import Control
package import Mail

/// Lines of `sluice events` and `sluice trace`.
package enum EventText {
    package static func line(_ event: Event, utcOffset: (UnixTime) -> Int) -> String {
        let kind = SafeText(event.kind).text
        let space = String(repeating: " ", count: max(1, 10 - TextWidth.of(kind)))
        let whose = [event.host, event.node].compactMap { $0.map { "\(SafeText($0)) " } }.joined()
        return Format.clock(event.at, now: event.at, utcOffset: utcOffset(event.at))
            + " \(whose)\(kind)\(space)\(SafeText(event.text))"
    }

    package static func lines(_ line: TraceLine, utcOffset: (UnixTime) -> Int) -> [String] {
        let clock = Format.clock(line.at, now: line.at, utcOffset: utcOffset(line.at))
        let text =
            "\(clock) \(line.worker):\(line.connection) \(SafeText(line.direction)) "
            + SafeText(line.text).text
        guard line.dropped > 0 else { return [text] }
        return [
            "\(clock) … \(Format.count(line.dropped, "line")) left out: too slow a reader", text,
        ]
    }
}
