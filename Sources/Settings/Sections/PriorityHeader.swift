import Mail

/// A header field that says how important its message is, and what its values mean.
package enum PriorityHeader: String, Hashable, Sendable, Codable, CaseIterable {
    /// A level, -3 to 4, or bulk, low, normal, high, urgent.
    case sluice = "X-Sluice-Priority"
    /// RFC 2156: urgent, normal, non-urgent.
    case priority = "Priority"
    /// 1 (highest) to 5 (lowest), of which only the number counts.
    case xPriority = "X-Priority"
    /// RFC 4021: high, normal, low.
    case importance = "Importance"
    /// bulk, list, junk: never above normal.
    case precedence = "Precedence"
    /// RFC 6758: -9 to 9.
    case mtPriority = "MT-Priority"

    /// nil where the value is none that the field has.
    package func level(of value: String) -> Int? {
        let word = value.lowercased().split(separator: " ").first.map(String.init) ?? ""
        switch self {
        case .sluice:
            if let named = MailPriority.names.first(where: { $0.name == word }) {
                return named.level
            }
            return Int(word).flatMap { MailPriority.levels.contains($0) ? $0 : nil }
        case .priority:
            return ["urgent": 2, "normal": 0, "non-urgent": -2][word]
        case .xPriority:
            return ["1": 2, "2": 2, "3": 0, "4": -2, "5": -2][word]
        case .importance:
            return ["high": 2, "normal": 0, "low": -2][word]
        case .precedence:
            return ["bulk": -3, "list": -3, "junk": -3][word]
        case .mtPriority:
            // Its nineteen levels on our eight: -9 is -3, 9 is 4.
            guard let number = Int(word), (-9...9).contains(number) else { return nil }
            return number < 0 ? number / 3 : number * 4 / 9
        }
    }
}
