package import Scheduler

/// Chooses domains as unevenly as mail does: the first is chosen most often, the n-th in proportion
/// to 1/(n + 1) (the law of Zipf and Mandelbrot with exponent 1 and shift 1).
package struct DomainSkew: Sendable {
    package let domains: [String]
    /// Sums of the weights up to and including each domain.
    private let cumulative: [Double]

    /// - Parameter domains: The most popular first; not empty.
    package init(domains: [String]) {
        precondition(!domains.isEmpty)
        self.domains = domains
        var sum = 0.0
        cumulative = domains.indices.map { index in
            sum += 1 / Double(index + 2)
            return sum
        }
    }

    package func pick(using generator: inout SplitMix64) -> String {
        let target = Double.random(in: 0..<(cumulative.last ?? 1), using: &generator)
        var low = 0
        var high = domains.count - 1
        while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > target { high = middle } else { low = middle + 1 }
        }
        return domains[low]
    }
}
