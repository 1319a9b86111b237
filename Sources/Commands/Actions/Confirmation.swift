package import Control

/// The question before an action, and what counts as a yes.
package enum Confirmation: Hashable, Sendable {
    case yes
    /// The number of deliveries has to be typed.
    case count(Int)

    package init(_ plan: Plan) {
        self = plan.mustTypeCount ? .count(plan.counts.deliveries) : .yes
    }

    package var question: String {
        switch self {
        case .yes: "Do it? [y/N] "
        case .count(let count):
            "Type the number of deliveries (\(Format.count(count))) to do it: "
        }
    }

    /// Nil, the end of the input, is a no.
    package func accepts(_ answer: String?) -> Bool {
        let answer = (answer ?? "").filter { !$0.isWhitespace }.lowercased()
        switch self {
        case .yes: return answer == "y" || answer == "yes"
        case .count(let count): return Int(answer.filter { $0 != "," }) == count
        }
    }
}
