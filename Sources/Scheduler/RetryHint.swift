/// The time after which a receiver says that it wants to be asked again.
enum RetryHint {
    /// "…try again in 300 seconds", "Greylisted for 5 minutes", "come back in 00:04:59": a number
    /// with its unit, or hours, minutes and seconds, after "in", "for" or "after". nil where there
    /// is none, or more than a day.
    static func time(in reply: String) -> Duration? {
        let words = reply.lowercased().split { $0 == " " || $0 == "(" || $0 == ")" }
        for (index, word) in words.enumerated() where leads.contains(word) {
            guard index + 1 < words.count else { return nil }
            let next = words[index + 1].trimmingPunctuation
            if let time = clock(next) ?? joined(next) { return within(time) }
            guard let number = Int(next), index + 2 < words.count,
                let unit = Duration(unit: words[index + 2].trimmingPunctuation),
                number > 0, number <= 86_400
            else { continue }
            return within(unit * number)
        }
        return nil
    }

    private static let leads: Set<Substring> = ["in", "for", "after"]

    private static func within(_ time: Duration) -> Duration? {
        time > .zero && time <= .seconds(86_400) ? time : nil
    }

    /// "00:04:59" or "04:59".
    private static func clock(_ word: Substring) -> Duration? {
        let parts = word.split(separator: ":", omittingEmptySubsequences: false)
        guard (2...3).contains(parts.count) else { return nil }
        var seconds = 0
        for part in parts {
            guard (1...2).contains(part.utf8.count), let number = Int(part), number >= 0 else {
                return nil
            }
            seconds = seconds * 60 + number
        }
        return .seconds(seconds)
    }

    /// "300s", "5min".
    private static func joined(_ word: Substring) -> Duration? {
        let digits = word.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, digits.count < word.count, let number = Int(digits),
            number <= 86_400, let unit = Duration(unit: word.dropFirst(digits.count))
        else { return nil }
        return unit * number
    }
}

extension Substring {
    /// Without the marks that end a word in a sentence.
    fileprivate var trimmingPunctuation: Substring {
        var word = self
        while let last = word.last, last == "." || last == "," || last == ";" || last == "!" {
            word.removeLast()
        }
        return word
    }
}
