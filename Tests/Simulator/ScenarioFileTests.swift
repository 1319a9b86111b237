import Glibc
import Scheduler
import Settings
import Testing

@testable import Simulator

@Suite struct ScenarioFileTests {
    private func problems(_ text: String) -> [String] {
        do throws(SettingsError) {
            _ = try Scenario(text: text, file: "dir/some.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func reads() throws {
        let scenario = try Scenario(
            text: """
                title = "a title"
                duration = "20m"
                runs = 2
                [limits]
                concurrency = 7
                [receiver]
                connections = 3
                limit_at = "mail"
                rate = "5/s"
                burst = 20
                keeps = true
                connection_rate = "2/min"
                connection_burst = 3
                names_rate = false
                [receiver.outage]
                from = "1m"
                for = "2m"
                fault = "timeout"
                [[traffic]]
                queued = 100
                rate = "2/s"
                [[target]]
                measure = "probes"
                most = 3
                """, file: "dir/some.toml")
        #expect(scenario.name == "some" && scenario.title == "a title" && scenario.runs == 2)
        #expect(scenario.policy.limits.concurrency == 7)
        #expect(scenario.receiver.connectionLimit == 3 && scenario.receiver.limitAt == .mail)
        #expect(scenario.receiver.quota?.burst == 20 && scenario.receiver.quota?.closes == false)
        #expect(scenario.receiver.connectionQuota?.burst == 3)
        #expect(!scenario.receiver.namesConnectionRate)
        #expect(scenario.receiver.outage?.fault == .timeout)
        #expect(scenario.streams.count == 1 && scenario.streams[0].queued == 100)
        #expect(scenario.measures == [.probes] && scenario.targets[0].most == 3)
    }

    @Test func saysWhereAndWhat() {
        let found = problems(
            """
            titel = "x"
            [receiver]
            connections = 0
            burst = 3
            machines = 2
            bad = 3
            names_rate = true
            [[traffic]]
            name = "none"
            [[target]]
            measure = "troughput"
            most = 1
            [[target]]
            measure = "probes"
            [[target]]
            measure = "second-p99"
            most = 1
            least = 2
            """)
        for start in [
            "dir/some.toml:1: titel", "dir/some.toml:3: receiver.connections",
            "dir/some.toml:4: receiver.burst: has no meaning", "dir/some.toml:6: receiver.bad",
            "dir/some.toml:7: receiver.names_rate: has no meaning", "dir/some.toml:8: ",
            "dir/some.toml:11: ", "dir/some.toml:14: ", "dir/some.toml:16: ",
            "dir/some.toml:18: target[3].least",
        ] {
            #expect(found.contains { $0.hasPrefix(start) }, "\(start) in \(found)")
        }
        #expect(problems("duration = ").count == 1)
        #expect(problems("title = \"no mail\"").contains { $0.contains("[[traffic]]") })
    }

    /// All that come with the program are in order and have something to show.
    @Test func thoseThatAreShipped() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let folder = "/\(root)/scenarios"
        let directory = try #require(opendir(folder))
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(".toml") else { continue }
            names.append(name)
            let path = "\(folder)/\(name)"
            let scenario = try Scenario(text: SettingsFile.text(path: path), file: path)
            #expect(!scenario.title.isEmpty && !scenario.measures.isEmpty)
        }
        #expect(names.count >= 12)
    }
}
