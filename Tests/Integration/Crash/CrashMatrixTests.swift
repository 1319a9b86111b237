import Faults
import Foundation
import Testing

extension Integration {
    /// A process, or all of them, killed at every point between two effects on a message's way.
    /// `make crash` takes all of the matrix, `make test` some of it.
    @Suite struct CrashMatrixTests {
        private static var cases: [CrashCase] {
            let environment = ProcessInfo.processInfo.environment
            if let plans = environment["SLUICE_CRASH_CASE"]?.split(separator: ",") {
                return CrashCase.all.filter { crash in plans.contains { crash.plan.hasPrefix($0) } }
            }
            return environment["SLUICE_CRASH"] == nil ? CrashCase.few : CrashCase.all
        }

        @Test(arguments: cases) func crash(_ crash: CrashCase) async throws {
            try await withScene { scene in
                let run = try await CrashRun.make(crash, in: scene)
                let account = try await run.run()
                CrashTable.add(crash, account)
                #expect(account.accepted > 0)
                #expect(account.lost == [])
                switch crash.victims {
                case .manager:
                    // The workers say what they did, however the manager ended.
                    #expect(account.duplicated == 0)
                case .all:
                    #expect(account.unforced == 0)
                case .worker:
                    // What was in a transaction at that instant: the manager lives, and has read
                    // all that the worker had told.
                    let transactions = CrashRun.concurrency * run.ledger.receivers.count
                    #expect(account.duplicatedMessages <= transactions)
                }
            }
        }
    }
}
