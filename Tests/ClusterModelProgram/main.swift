import Cluster
import ClusterModel
import Glibc

// Wider bounds than the tests have time for, one line for each. Ends with 1 where something is not
// as it should be.

struct Run {
    var name: String
    var change: (inout Bounds) -> Void
}

let second = Membership.Times(lease: .seconds(1), patience: .seconds(1))
let runs = [
    Run(name: "two nodes, a death, a fail-over, late requests") { $0.failovers = 1 },
    Run(name: "two nodes, two deaths, two fail-overs, lease of one tick, late requests") {
        $0.times = second
        $0.deaths = 2
        $0.failovers = 2
    },
    Run(name: "two nodes, a message, a death, a fail-over") {
        $0.hasMail = true
        $0.failovers = 1
        $0.areLate = false
    },
    Run(name: "two nodes, a message, a death, lease of one tick, late requests") {
        $0.hasMail = true
        $0.times = second
    },
    Run(name: "three nodes, a death, lease of one tick") {
        $0.nodes = 3
        $0.areLate = false
        $0.times = second
    },
]

var isRight = true
for run in runs {
    var bounds = Bounds()
    run.change(&bounds)
    let clock = ContinuousClock()
    let start = clock.now
    let outcome = Explorer(bounds).explore(limit: 20_000_000)
    print(
        "\(run.name): \(outcome.worlds) worlds, \(outcome.steps) steps,",
        outcome.isComplete ? "all of them," : "not all,",
        "\((clock.now - start).components.seconds) s:",
        outcome.violation.map { "\($0.text):\n  " + $0.path.joined(separator: "\n  ") }
            ?? "as it should be")
    fflush(nil)
    if outcome.violation != nil || !outcome.isComplete { isRight = false }
}
exit(isRight ? 0 : 1)
