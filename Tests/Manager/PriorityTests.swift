import Control
import Mail
import NIOCore
import Settings
import Testing

@testable import Manager
@testable import Spool

@Suite struct PriorityTests {
    private let all = PriorityHeader.allCases

    private func level(_ header: String, by headers: [PriorityHeader]) -> Int? {
        ByteBuffer(string: "Received: x\r\n" + header + "\r\nSubject: s\r\n\r\nX-Priority: 1\r\n")
            .priority(by: headers)
    }

    @Test(arguments: [
        ("X-Sluice-Priority: urgent", 4), ("x-sluice-priority:\t-3 ", -3),
        ("X-SLUICE-PRIORITY: High", 2), ("Priority: urgent", 2), ("Priority: non-urgent", -2),
        ("X-Priority: 1 (Highest)", 2), ("X-Priority: 5", -2), ("Importance: low", -2),
        ("Precedence: bulk", -3), ("MT-Priority: 9", 4), ("MT-Priority: -9", -3),
        ("MT-Priority: 0", 0), ("MT-Priority: 4", 1),
    ])
    func known(_ header: String, _ expected: Int) {
        #expect(level(header, by: all) == expected)
    }

    @Test(arguments: [
        "X-Sluice-Priority: 5", "X-Sluice-Priority: highest", "X-Sluice-Priority:", "Priority: 1",
        "X-Priority: 0", "Precedence: first-class", "MT-Priority: 10", "X-Sluice-Priorityx: 2",
        " X-Sluice-Priority: 2", "Subject: X-Sluice-Priority: 2",
    ])
    func unknown(_ header: String) {
        #expect(level(header, by: all) == nil)
    }

    @Test func theFirstOfTheListCounts() {
        let header = "Precedence: bulk\r\nX-Priority: 1\r\nX-Sluice-Priority: nonsense"
        #expect(level(header, by: [.sluice, .xPriority, .precedence]) == 2)
        #expect(level(header, by: [.sluice, .precedence, .xPriority]) == -3)
        #expect(level(header, by: [.sluice]) == nil)
        #expect(level(header, by: []) == nil)
        // Nothing below the empty line, and no header that never ends.
        #expect(ByteBuffer(string: "").priority(by: all) == nil)
        #expect(ByteBuffer(string: "X-Priority: 1").priority(by: all) == 2)
        #expect(ByteBuffer(string: "\r\nX-Priority: 1\r\n").priority(by: all) == nil)
    }

    /// From the header through spool and frame to the worker, and again after a restart.
    @Test(.timeLimit(.minutes(15))) func itTravels() async throws {
        try await withRig { rig in
            try await rig.on { stage in
                stage.addWorker(1)
                stage.dispatcher.learn(domain: "a.test", identity: "192.0.2.1", ttl: nil)
                let id = stage.dispatcher.nextMessageID()!
                let body = ByteBuffer(string: "X-Sluice-Priority: low\r\n\r\nHi\r\n")
                stage.dispatcher.accept(
                    Submission(
                        id: id, sender: "s@sender.test",
                        recipients: [.init(address: "u@a.test")], eightBit: false, utf8: false,
                        leadingDots: false, ret: "", envelopeID: "", client: "",
                        priority: stage.dispatcher.priority(of: body, listener: nil), body: body)
                ) { _ in }
            }
            try await rig.drain()
            #expect(try rig.stored().map(\.message.priority) == [-2])
            let row = try await rig.on { [stored = try rig.stored()] stage in
                stage.dispatcher.rows(of: stored)[0]
            }
            #expect(row.priority == -2)
            func sent(_ frames: [Frame]) -> [Int8] {
                frames.flatMap { frame -> [Int8] in
                    switch frame {
                    case .deliver(let entry, _): [entry.priority]
                    case .enqueue(let entries): entries.map(\.priority)
                    default: []
                    }
                }
            }
            #expect(sent(try await rig.on { $0.frames(1) }) == [-2])
            try await rig.on { stage in
                stage.killWorker(1)
                stage.addWorker(2)
            }
            try await rig.drain()
            #expect(sent(try await rig.on { $0.frames(2) }) == [-2])
        }
    }

    @Test func listenersHaveTheirOwn() async throws {
        let read = try Configuration.load(
            text: """
                [intake]
                priority = 1
                [[intake.listener]]
                listen = "127.0.0.1:0"
                priority = "bulk"
                [[intake.listener]]
                listen = "127.0.0.1:0"
                priority_headers = []
                """, file: "/s.toml")
        try await withRig({ $0.intake = read.intake }) { rig in
            try await rig.on { stage in
                let plain = ByteBuffer(string: "Subject: x\r\n\r\n")
                let urgent = ByteBuffer(string: "X-Sluice-Priority: 4\r\n\r\n")
                let dispatcher = stage.dispatcher
                #expect(dispatcher.priority(of: plain, listener: nil) == 1)
                #expect(dispatcher.priority(of: urgent, listener: nil) == 4)
                #expect(dispatcher.priority(of: plain, listener: 0) == -3)
                #expect(dispatcher.priority(of: urgent, listener: 0) == 4)
                // Here the clients' word does not count.
                #expect(dispatcher.priority(of: urgent, listener: 1) == 1)
            }
        }
    }
}
