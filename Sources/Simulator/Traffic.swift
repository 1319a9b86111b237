import Glibc
import Scheduler

/// The messages of a scenario, in no order.
struct Traffic: Sequence {
    private let scenario: Scenario
    private let seed: UInt64

    init(_ scenario: Scenario, seed: UInt64) {
        self.scenario = scenario
        self.seed = seed
    }

    func makeIterator() -> Array<SimulatedMail>.Iterator {
        var random = SplitMix64(seed: seed)
        var mail: [SimulatedMail] = []
        for (number, stream) in scenario.streams.enumerated() {
            for _ in 0..<stream.queued {
                add(stream, number, at: Receiver.start, to: &mail, using: &random)
            }
            guard let rate = stream.rate else { continue }
            let end = stream.length.map { stream.from + $0 } ?? scenario.duration
            // Arrivals that know nothing of each other (Poisson).
            var time = stream.from
            while true {
                let pause = -log(Double.random(in: Double.ulpOfOne..<1, using: &random))
                time += .seconds(pause / rate.perSecond)
                guard time < end else { break }
                add(stream, number, at: Receiver.start + time, to: &mail, using: &random)
            }
        }
        return mail.makeIterator()
    }

    private func add(
        _ stream: Scenario.Stream, _ number: Int, at time: Instant, to mail: inout [SimulatedMail],
        using random: inout SplitMix64
    ) {
        mail.append(
            SimulatedMail(
                number: mail.count + 1, destination: destination(using: &random),
                sender: UInt32(number + 1), priority: UInt8(clamping: stream.priority),
                size: Int.random(in: stream.size / 2...stream.size * 3 / 2, using: &random),
                arrived: time, stream: number))
    }

    /// Zipf's law with exponent 1, by the inverse of its continuous form: rank = n^u.
    private func destination(using random: inout SplitMix64) -> Int {
        guard scenario.destinations > 1 else { return 1 }
        let share = Double.random(in: 0..<1, using: &random)
        return Swift.min(
            scenario.destinations,
            Int(exp(share * log(Double(scenario.destinations)))))
    }
}
