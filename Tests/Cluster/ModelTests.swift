import Cluster
import ClusterModel
import Testing

/// Everything that can happen to two and three nodes, within bounds; `make model` has wider ones.
@Suite struct ModelTests {
    private func explore(_ change: (inout Bounds) -> Void) -> Explorer.Outcome {
        var bounds = Bounds()
        change(&bounds)
        return Explorer(bounds).explore()
    }

    private func expectRight(_ outcome: Explorer.Outcome, least: Int) {
        #expect(outcome.violation == nil)
        #expect(outcome.isComplete)
        // A model in which little can happen proves little.
        #expect(outcome.worlds >= least)
    }

    @Test func twoNodesADeathAndAFailOver() {
        expectRight(
            explore {
                $0.failovers = 1
                $0.areLate = false
            }, least: 100_000)
    }

    @Test func requestsThatTakeEffectLate() {
        expectRight(
            explore {
                $0.times = Membership.Times(lease: .seconds(1), patience: .seconds(1))
            }, least: 100_000)
    }

    @Test func aMessageIsSentAndItsResultRecorded() {
        expectRight(
            explore {
                $0.hasMail = true
                $0.areLate = false
                $0.times = Membership.Times(lease: .seconds(1), patience: .seconds(1))
            }, least: 20_000)
    }

    @Test func threeNodes() {
        expectRight(
            explore {
                $0.nodes = 3
                $0.deaths = 0
                $0.areLate = false
                $0.canLeave = false
                $0.times = Membership.Times(lease: .seconds(1), patience: .seconds(1))
            }, least: 50_000)
    }

    /// The explorer finds what each rule is there for.
    @Test(arguments: Flaw.allCases) func aRuleLeftOutIsFound(_ flaw: Flaw) throws {
        let outcome = explore { bounds in
            bounds.flaw = flaw
            bounds.areLate = false
            switch flaw {
            case .impatience:
                bounds.times = Membership.Times(lease: .seconds(4), patience: .seconds(3))
            case .releaseWithoutNumber:
                bounds.areLate = true
                bounds.times = Membership.Times(lease: .seconds(1), patience: .seconds(1))
            case .noTimeline, .noSettling: bounds.failovers = 1
            case .releaseBeforeResult, .lateResultRefused:
                bounds.hasMail = true
            case .leaseFromAnswer, .declarationWithoutBeat, .claimWithoutOwner: break
            }
        }
        let violation = try #require(outcome.violation)
        switch flaw {
        case .releaseBeforeResult:
            #expect(violation.text.hasPrefix("read before the last owner"))
        case .lateResultRefused: #expect(violation.text == "a result is not recorded")
        default: #expect(violation.text == "two deliver")
        }
        #expect(violation.path.count > 5)
    }
}
