import Control
import Foundation
import Glibc
import Testbed
import Testing

extension Integration {
    @Suite struct LogTests {
        @Test func rotationWhileMailFlows() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                let log = scene.directory.file("mail.log")
                var settings = DaemonSettings()
                settings.routes = ["*": receiver.route]
                settings.more = "[log]\nfile = \"\(log)\"\nformat = \"json\"\n"
                let daemon = try await scene.daemon(settings, logFile: log)
                var moved: [String] = []
                for round in 0..<4 {
                    let mails = (0..<50).map {
                        TestMail("m\(round)-\($0)", to: "user\(round)-\($0)@rcpt.test")
                    }
                    async let sent: Void = scene.send(mails, to: daemon.port)
                    moved.append(log + ".\(round)")
                    #expect(rename(log, moved[round]) == 0)
                    #expect(kill(daemon.pid, SIGUSR1) == 0)
                    try await sent
                    // The line that says so is the first of the new file.
                    try await waitUntil("a new file") { contents(log).contains("opened again") }
                }
                try await receiver.takes(200)
                try await daemon.awaitEmptyQueue()
                try await daemon.end(SIGTERM)
                let lines = (moved + [log]).flatMap { contents($0).split(separator: "\n") }
                var accepted = 0
                var delivered: Set<String> = []
                for line in lines {
                    let object = try #require(
                        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                    switch object["event"] as? String {
                    case "accepted":
                        accepted += 1
                    case "attempt":
                        #expect(object["outcome"] as? String == "delivered")
                        #expect(object["worker"] is Int)
                        #expect((object["mx"] as? String)?.contains("127.0.0.1") == true)
                        for recipient in try #require(object["to"] as? [String]) {
                            #expect(delivered.insert(recipient).inserted)
                        }
                    default:
                        break
                    }
                }
                #expect(accepted == 200)
                #expect(delivered.count == 200)
                #expect(daemon.logText.isEmpty)
            }
        }

        /// `[log]` is a matter of a reload, for the workers too; a file that cannot be opened leaves
        /// everything as it was.
        @Test func anotherLogByReload() async throws {
            try await withScene { scene in
                let receiver = try await scene.receiver("mx")
                let log = scene.directory.file("first.log")
                let second = scene.directory.file("second.log")
                var settings = DaemonSettings()
                settings.workers = 1
                settings.routes = ["*": receiver.route]
                settings.more = "[log]\nfile = \"\(log)\"\n"
                let daemon = try await scene.daemon(settings, logFile: log)
                try await scene.send(TestMail("one", to: "one@rcpt.test"), to: daemon.port)
                try await receiver.takes(1)
                settings.more = "[log]\nfile = \"\(second)\"\nformat = \"json\"\n"
                try daemon.configure(settings)
                try await daemon.control.reload()
                try await scene.send(TestMail("two", to: "two@rcpt.test"), to: daemon.port)
                try await waitUntil("both lines") {
                    contents(log).contains("to=one@rcpt.test")
                        && contents(second).contains(#""to":["two@rcpt.test"]"#)
                }
                #expect(!contents(log).contains("two@rcpt.test"))

                settings.more = "[log]\nfile = \"/nonexistent/log\"\nlevel = \"error\"\n"
                try daemon.configure(settings)
                let refusal = await #expect(throws: (any Error).self) {
                    try await daemon.control.reload()
                }
                #expect("\(refusal!)".contains("/nonexistent/log"))
                try await scene.send(TestMail("three", to: "three@rcpt.test"), to: daemon.port)
                try await waitUntil("it goes on") {
                    contents(second).contains(#""to":["three@rcpt.test"]"#)
                }
            }
        }

        @Test func aLogThatCannotBeWritten() async throws {
            try await withScene { scene in
                var settings = DaemonSettings()
                settings.more = "[log]\nfile = \"/nonexistent/mail.log\"\n"
                let daemon = try scene.idleDaemon(settings, name: "mute")
                let (ending, said) = try await daemon.startInVain()
                #expect(ending == .exit(2))
                #expect(said.contains("log.file"))
                #expect(said.contains("/nonexistent/mail.log"))
                let check = try await Program.run(
                    try Program.sluiced, ["check", "--config", daemon.configuration])
                #expect(check.status == 1)
                #expect(check.errors.contains("mute.toml:"))
                #expect(check.errors.contains("/nonexistent/mail.log"))
            }
        }
    }
}
