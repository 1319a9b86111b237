import Control
import Mail
import Testing

@testable import Manager
@testable import Spool

@Suite(.timeLimit(.minutes(15))) struct DamagedSpoolTests {
    /// Rows that cannot be read keep what they are about from being delivered, and nothing else.
    @Test func onlyWhatLiesThereWaits() async throws {
        try await withRig { rig in
            let (bad, good) = try await rig.on { stage in
                stage.addWorker(1)
                let learn = { (domain: String, address: String) in
                    stage.dispatcher.learn(domain: domain, identity: address, ttl: .seconds(600)).id
                }
                let ids = (learn("a.test", "192.0.2.1"), learn("b.test", "192.0.2.2"))
                _ = stage.accept(["u@a.test"])
                _ = stage.accept(["u@b.test"])
                return ids
            }
            try await rig.drain()
            rig.spool.damage(destination: bad)
            try await rig.on { stage in
                stage.killWorker(1)
                stage.addWorker(2)
            }
            try await rig.drain()
            try await rig.on { stage in
                #expect(stage.held(bad, by: 2) == [])
                #expect(stage.held(good, by: 2).count == 1)
                #expect(stage.dispatcher.spoolError == nil)
                let status = stage.dispatcher.status()
                #expect(status.warning?.contains("sluiced fsck") == true)
                #expect(status.totals.deliveries == 2)
            }
        }
    }
}
