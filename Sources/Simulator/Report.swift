/// The figures of a scenario as lines for people and as entries for a file.
package struct Report: Sendable {
    /// As all benchmarks write them.
    package struct Entry: Encodable, Sendable, Hashable {
        package var name: String
        package var value: Double
        package var unit: String
        package var target: Double?
        /// The best of the other senders.
        package var peer: Double?
    }

    private let scenario: Scenario
    private let rows: [Runner.Row]

    package init(_ scenario: Scenario, rows: [Runner.Row]) {
        self.scenario = scenario
        self.rows = rows
    }

    /// Whether Sluice meets every target.
    package var isMet: Bool { scenario.targets.allSatisfy(isMet) }

    private func isMet(_ target: Scenario.Target) -> Bool {
        rows.first?.values[target.measure].map(target.isMet) ?? false
    }

    // MARK: Lines

    package var lines: [String] {
        var lines = ["\(scenario.name): \(scenario.title)"]
        if !scenario.about.isEmpty { lines += wrapped(scenario.about, at: 96).map { "  " + $0 } }
        var table = [[""] + scenario.measures.map(\.title)]
        for row in rows {
            table.append(
                [row.sender]
                    + scenario.measures.map { measure in
                        row.values[measure].map { Self.text($0, measure.unit) } ?? "–"
                    })
        }
        if !scenario.targets.isEmpty {
            table.append(
                ["target"]
                    + scenario.measures.map { measure in
                        let targets = scenario.targets.filter { $0.measure == measure }
                        return targets.map {
                            Self.text($0) + (isMet($0) ? ", met" : ", MISSED")
                        }.joined(separator: "; ")
                    })
        }
        let widths = table[0].indices.map { column in
            table.map { $0[column].count }.max() ?? 0
        }
        for row in table {
            let cells = row.indices.map { column -> String in
                let blank = String(repeating: " ", count: widths[column] - row[column].count)
                return column == 0 ? row[column] + blank : blank + row[column]
            }
            var line = "  " + cells.joined(separator: "   ")
            while line.last == " " { line.removeLast() }
            lines.append(line)
        }
        return lines
    }

    private static func text(_ target: Scenario.Target) -> String {
        let most = target.most.map { "≤ \(text($0, target.measure.unit))" }
        let least = target.least.map { "≥ \(text($0, target.measure.unit))" }
        return [least, most].compactMap(\.self).joined(separator: " ")
    }

    private static func text(_ value: Double, _ unit: Measure.Unit) -> String {
        func tenths(_ value: Double) -> String {
            let rounded = (value * 10).rounded() / 10
            return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
        }
        switch unit {
        case .share: return tenths(value * 100) + " %"
        case .number: return tenths(value)
        case .seconds:
            if value < 60 { return tenths(value) + " s" }
            if value < 7200 { return tenths(value / 60) + " min" }
            return tenths(value / 3600) + " h"
        }
    }

    private func wrapped(_ text: String, at width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(whereSeparator: \.isWhitespace) {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    // MARK: Entries

    package var entries: [Entry] {
        guard let sluice = rows.first else { return [] }
        return scenario.measures.compactMap { measure in
            guard let value = sluice.values[measure] else { return nil }
            let target = scenario.targets.first { $0.measure == measure }
            let peers = rows.dropFirst().compactMap { $0.values[measure] }
            let isMoreBetter = measure == .throughput || target?.least != nil
            return Entry(
                name: "\(scenario.name): \(measure.rawValue)", value: value,
                unit: measure.unit.name, target: target?.most ?? target?.least,
                peer: isMoreBetter ? peers.max() : peers.min())
        }
    }
}

extension Measure.Unit {
    fileprivate var name: String {
        switch self {
        case .share: "share"
        case .seconds: "s"
        case .number: "1"
        }
    }
}
