import Cluster

/// Everything that can happen to a few nodes within bounds: each step of each node, each loss and
/// delay of a request, deaths, and fail-overs of the database.
package struct Explorer {
    package struct Outcome: Sendable {
        package var worlds = 0
        package var steps = 0
        package var isComplete = false
        /// What is not as it should be, and the steps that lead there; nil: nothing.
        package var violation: (text: String, path: [String])?
    }

    let bounds: Bounds

    package init(_ bounds: Bounds) { self.bounds = bounds }

    /// Breadth first, so that a violation has a shortest path.
    ///
    /// - Parameter limit: worlds after which it gives up.
    package func explore(limit: Int = .max) -> Outcome {
        var search = Search(bounds)
        return search.run(limit: limit)
    }
}

private struct Search {
    let bounds: Bounds
    let orders: [[Int]]
    var known: [Packed: Int32] = [:]
    /// As it was reached, so that paths name the same nodes all the way.
    var worlds: [Packed] = []
    var cameFrom: [Int32] = []
    var cameBy: [Step] = []
    /// Steps that are no faults.
    var from: [Int32] = []
    var to: [Int32] = []
    var isGoal: [Bool] = []

    init(_ bounds: Bounds) {
        self.bounds = bounds
        orders = Self.permutations(Array(0..<bounds.nodes))
    }

    static func permutations(_ items: [Int]) -> [[Int]] {
        guard items.count > 1 else { return [items] }
        return items.flatMap { first in
            permutations(items.filter { $0 != first }).map { [first] + $0 }
        }
    }

    /// The number of a world, and whether it is new. Nodes are alike: worlds that differ in their
    /// names only are one.
    mutating func number(of world: World, from origin: Int32, by step: Step) -> Int32 {
        let own = world.packed(bounds, order: orders[0])
        var least = own
        for order in orders.dropFirst() {
            let other = world.packed(bounds, order: order)
            if (other.high, other.low) < (least.high, least.low) { least = other }
        }
        let next = Int32(worlds.count)
        if let number = known[least] { return number }
        known[least] = next
        worlds.append(own)
        cameFrom.append(origin)
        cameBy.append(step)
        isGoal.append(bounds.hasMail ? world.isSettled : world.deliverers > 0)
        return next
    }

    func path(to end: Int32) -> [String] {
        var steps: [String] = []
        var at = end
        while at > 0 {
            steps.append(cameBy[Int(at)].description)
            at = cameFrom[Int(at)]
        }
        return steps.reversed()
    }

    mutating func run(limit: Int) -> Explorer.Outcome {
        var outcome = Explorer.Outcome()
        let start = number(
            of: World(bounds), from: -1, by: Step(kind: .timeGoesOn, node: 0))
        var next = start
        while next < Int32(worlds.count), worlds.count < limit {
            let world = World(worlds[Int(next)], bounds)
            if let text = wrong(world) {
                outcome.violation = (text, path(to: next))
                break
            }
            let origin = next
            var wrongStep: (String, Step)?
            world.forEachStep(bounds) { reached, step in
                outcome.steps += 1
                if let text = wrong(world, step, reached), wrongStep == nil {
                    wrongStep = (text, step)
                }
                let number = number(of: reached, from: origin, by: step)
                if !step.isFault, number != origin {
                    from.append(origin)
                    to.append(number)
                }
            }
            if let (text, step) = wrongStep {
                outcome.violation = (text, path(to: next) + [step.description])
                break
            }
            next += 1
        }
        outcome.worlds = worlds.count
        outcome.isComplete = next == Int32(worlds.count)
        guard outcome.violation == nil, outcome.isComplete else { return outcome }
        if let stuck = firstStuck() {
            outcome.violation = ("no way leads on to a delivery", path(to: stuck))
        }
        return outcome
    }

    private func wrong(_ world: World) -> String? {
        world.deliverers > 1 ? "two deliver" : nil
    }

    private func wrong(_ world: World, _ step: Step, _ reached: World) -> String? {
        if world.isRecorded, !reached.isRecorded { return "a recorded result is lost" }
        if step.kind == .records, !reached.isRecorded { return "a result is not recorded" }
        // A hand-over in good order makes no second copy.
        if step.kind == .reads {
            for (index, node) in world.nodes.enumerated()
            where index != step.node && node.result == .ofThisLife
                && world.isValid(node.membership.request)
            {
                return "read before the last owner, which lives, had its result recorded"
            }
        }
        return nil
    }

    /// A world from which, without another fault, no step after step leads to the goal.
    private func firstStuck() -> Int32? {
        // Steps by where they lead, in one array.
        var ends = [Int32](repeating: 0, count: worlds.count + 1)
        for number in to { ends[Int(number) + 1] += 1 }
        for index in 1..<ends.count { ends[index] += ends[index - 1] }
        var place = ends
        var before = [Int32](repeating: 0, count: to.count)
        for index in to.indices {
            let target = Int(to[index])
            before[Int(place[target])] = from[index]
            place[target] += 1
        }
        var reaches = isGoal
        var open: [Int32] = []
        for index in isGoal.indices where isGoal[index] { open.append(Int32(index)) }
        while let number = open.popLast() {
            for index in Int(ends[Int(number)])..<Int(ends[Int(number) + 1]) {
                let origin = Int(before[index])
                if !reaches[origin] {
                    reaches[origin] = true
                    open.append(Int32(origin))
                }
            }
        }
        return reaches.firstIndex(of: false).map(Int32.init)
    }
}
