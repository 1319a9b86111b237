/// Numbers, sizes and durations as the filter language writes them.
package enum Quantity {
    /// `12`, `1.5`, `-3`, `1e3`, and with `suffixes` `10k`, `1.5M`, `2G` (powers of 1000, a `B` may
    /// follow). Nil for anything else, and for what a Double cannot hold.
    static func number(_ text: String) -> Double? {
        let bytes = Array(text.utf8)
        guard let (value, end) = leading(bytes[...]) else { return nil }
        let scale: Double
        switch suffix(bytes[end...]) {
        case "", "b": scale = 1
        case "k", "kb": scale = 1e3
        case "m", "mb": scale = 1e6
        case "g", "gb": scale = 1e9
        default: return nil
        }
        let result = value * scale
        return result.isFinite ? result : nil
    }

    /// Seconds: `90s`, `5m`, `1h30m`, `2d`, `1w`; a number without a unit counts seconds.
    package static func duration(_ text: String) -> Double? {
        var rest = Array(text.utf8)[...]
        let negative = rest.first == UInt8(ascii: "-")
        if negative { rest = rest.dropFirst() }
        guard let (first, firstEnd) = leading(rest), first.sign == .plus else { return nil }
        if firstEnd == rest.endIndex { return negative ? -first : first }
        var seconds = 0.0
        while !rest.isEmpty {
            guard let (value, end) = leading(rest), value.sign == .plus, end < rest.endIndex,
                let unit = units.first(where: { $0.letter == rest[end] | 0x20 })
            else { return nil }
            seconds += value * unit.seconds
            rest = rest[(end + 1)...]
        }
        guard seconds.isFinite else { return nil }
        return negative ? -seconds : seconds
    }

    /// The shortest text that `number` reads back as the same value.
    static func text(number value: Double) -> String {
        if let whole = Int64(exactly: value), abs(value) < 1e15 { return String(whole) }
        return "\(value)"
    }

    /// The text of whole units that `duration` reads back as the same value: `1h30m`.
    static func text(duration value: Double) -> String {
        guard value != 0, let whole = Int64(exactly: value), abs(value) < 1e12 else {
            return text(number: value) + "s"
        }
        var result = whole < 0 ? "-" : ""
        var rest = abs(whole)
        for unit in units where unit.letter != UInt8(ascii: "w") {
            let (count, left) = rest.quotientAndRemainder(dividingBy: Int64(unit.seconds))
            if count > 0 { result += "\(count)\(Unicode.Scalar(unit.letter))" }
            rest = left
        }
        return result
    }

    private static let units: [(letter: UInt8, seconds: Double)] = [
        (UInt8(ascii: "w"), 604_800), (UInt8(ascii: "d"), 86_400), (UInt8(ascii: "h"), 3_600),
        (UInt8(ascii: "m"), 60), (UInt8(ascii: "s"), 1),
    ]

    private static func suffix(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes, as: UTF8.self).lowercased()
    }

    /// The decimal number at the start, and where it ends. Hexadecimal numbers, infinities and
    /// "nan", which `Double(_:)` would read, are none.
    private static func leading(_ bytes: ArraySlice<UInt8>) -> (value: Double, end: Int)? {
        var end = bytes.startIndex
        func digits() -> Int {
            let start = end
            while end < bytes.endIndex, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[end])
            {
                end += 1
            }
            return end - start
        }
        if bytes.first == UInt8(ascii: "-") { end += 1 }
        var count = digits()
        if end < bytes.endIndex, bytes[end] == UInt8(ascii: ".") {
            end += 1
            count += digits()
        }
        guard count > 0 else { return nil }
        let mantissaEnd = end
        if end < bytes.endIndex, bytes[end] | 0x20 == UInt8(ascii: "e") {
            end += 1
            if end < bytes.endIndex, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(bytes[end]) {
                end += 1
            }
            if digits() == 0 { end = mantissaEnd }
        }
        var text = String(decoding: bytes[bytes.startIndex..<end], as: UTF8.self)
        if text.hasSuffix(".") { text += "0" }
        guard let value = Double(text), value.isFinite else { return nil }
        return (value, end)
    }
}
