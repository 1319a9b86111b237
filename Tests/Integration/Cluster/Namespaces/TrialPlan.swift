import Scheduler

/// What happens to three nodes and their database, one after the other. It follows from a seed
/// alone.
struct TrialPlan: Sendable {
    /// What a node is cut off from.
    enum Far: String, Sendable, CaseIterable {
        case database
        case receivers
        case nodes
        /// All three, and the clients.
        case everything
    }

    enum FailOver: String, Sendable, CaseIterable {
        /// The primary is killed.
        case crash
        /// It ends in good order.
        case switchover
        /// Nobody reaches it any more; it is fenced some seconds after the standby was promoted.
        case isolation
        /// It is cut off from the standby and from one node only, and runs on beside the promoted
        /// one for some seconds.
        case splitBrain
    }

    enum Step: Sendable, Equatable, CustomStringConvertible {
        case kill(Int)
        /// SIGTERM.
        case stop(Int)
        case drain(Int)
        case start(Int)
        case cut(Int, Far, Network.Cut)
        case mend(Int, Far, Network.Cut)
        /// The server and all its sessions stand still.
        case freeze
        case thaw
        /// The primary and its standby do not see each other: no commit ends.
        case separate
        case reunite
        /// The server crashes and comes back.
        case restart
        case failOver(FailOver)
        case pause(milliseconds: Int)
        /// The database stands still for longer than a lease: intake says 4xx, nobody delivers.
        case outage
        /// Everything is mended: every destination gets mail again.
        case flow

        var description: String {
            switch self {
            case .kill(let node): "kill \(node)"
            case .stop(let node): "stop \(node)"
            case .drain(let node): "drain \(node)"
            case .start(let node): "start \(node)"
            case .cut(let node, let far, let how):
                "cut \(node) from \(far.rawValue) (\(how.rawValue))"
            case .mend(let node, let far, _): "mend \(node) and \(far.rawValue)"
            case .freeze: "freeze the database"
            case .thaw: "thaw it"
            case .separate: "separate primary and standby"
            case .reunite: "reunite them"
            case .restart: "crash and restart the database"
            case .failOver(let how): "fail over (\(how.rawValue))"
            case .pause(let time): "\(time) ms"
            case .outage: "outage of the database"
            case .flow: "flow"
            }
        }
    }

    let steps: [Step]

    var description: String { steps.map(\.description).joined(separator: "; ") }

    /// One of each of the worst, for every run of the tests.
    static let short = TrialPlan(steps: [
        .flow, .cut(0, .everything, .there), .pause(milliseconds: 8000),
        .mend(0, .everything, .there), .flow,
        .kill(1), .pause(milliseconds: 8000), .flow, .start(1),
        .failOver(.isolation), .flow,
    ])

    static let nodes = 3

    // MARK: From a seed

    static func make(seed: UInt64, rounds: Int) -> TrialPlan {
        var draft = Draft(random: SplitMix64(seed: seed))
        for _ in 0..<rounds { draft.addRound() }
        return TrialPlan(steps: draft.steps)
    }

    private struct Draft {
        var random: SplitMix64
        var steps: [Step] = [.flow]
        var up = Set(0..<nodes)
        var cut: Set<Int> = []
        /// Nothing else is done to the database in this round.
        var isDatabaseBusy = false

        mutating func addRound() {
            guard Int.random(in: 0..<8, using: &random) > 0 else {
                steps += [.outage, .flow]
                return
            }
            isDatabaseBusy = false
            var mends: [Step] = []
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                guard let step = candidates().randomElement(using: &random) else { continue }
                steps += [step, pause(100...4000)]
                switch step {
                case .kill(let node), .stop(let node), .drain(let node): up.remove(node)
                case .cut(let node, let far, let how):
                    cut.insert(node)
                    mends.append(.mend(node, far, how))
                case .freeze:
                    isDatabaseBusy = true
                    mends.append(.thaw)
                case .separate:
                    isDatabaseBusy = true
                    mends.append(.reunite)
                case .failOver, .restart: isDatabaseBusy = true
                default: break
                }
            }
            // Longer than a lease as often as not.
            if Bool.random(using: &random) { steps.append(pause(6000...10_000)) }
            for step in mends.shuffled(using: &random) { steps += [step, pause(100...1000)] }
            cut = []
            for node in (0..<nodes).filter({ !up.contains($0) }).shuffled(using: &random) {
                steps += [.start(node), pause(100...1000)]
                up.insert(node)
            }
            steps.append(.flow)
        }

        private mutating func pause(_ range: ClosedRange<Int>) -> Step {
            .pause(milliseconds: Int.random(in: range, using: &random))
        }

        /// Each kind as often as the others, whatever it can be done to.
        private mutating func candidates() -> [Step] {
            let whole = up.subtracting(cut).sorted()
            var found: [Step] = []
            if let node = up.sorted().randomElement(using: &random) { found.append(.kill(node)) }
            if let node = whole.randomElement(using: &random) {
                let far = Far.allCases.randomElement(using: &random) ?? .database
                let how = Network.Cut.allCases.randomElement(using: &random) ?? .both
                found.append(.cut(node, far, how))
                found.append(.cut(node, .everything, .both))
                if !isDatabaseBusy { found.append(.stop(node)) }
                if !isDatabaseBusy, whole.count > 1 { found.append(.drain(node)) }
            }
            if !isDatabaseBusy {
                let how = FailOver.allCases.randomElement(using: &random) ?? .crash
                found += [.freeze, .separate, .restart, .failOver(how), .failOver(how)]
            }
            return found
        }
    }
}
