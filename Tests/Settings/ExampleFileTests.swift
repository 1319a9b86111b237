import Foundation
import Testing

@testable import Settings

/// `docs/sluice.toml` names every key with its default; this keeps it from rotting.
@Suite struct ExampleFileTests {
    private static let path = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "docs/sluice.toml").path

    /// "#key = value" and "#[table]" are settings, "# Text" is text.
    private static func uncommented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard line.hasPrefix("#"), let next = line.dropFirst().first, next != " " else {
                return String(line)
            }
            return String(line.drop { $0 == "#" })
        }.joined(separator: "\n")
    }

    @Test func asItStandsItIsTheDefault() throws {
        #expect(try Configuration.load(path: Self.path) == Configuration())
    }

    @Test func namesEveryKeyAndNoOther() throws {
        let text = Self.uncommented(try SettingsFile.text(path: Self.path))
        let document = try TOMLDocument(text: text, file: "sluice.toml")
        var named: Set<String> = []
        func walk(_ node: TOMLNode, _ path: String) {
            if !path.isEmpty { named.insert(path) }
            // The keys below are domains.
            if path == "routing.static" { return }
            switch node.value {
            case .table(let table):
                for (key, node) in table.entries {
                    walk(node, path.isEmpty ? key : "\(path).\(key)")
                }
            case .array(let elements): for element in elements { walk(element, path) }
            default: break
            }
        }
        walk(document.root, "")
        let known = Set(Configuration.knownKeys)
        #expect(named.subtracting(known).isEmpty)
        #expect(known.subtracting(named).isEmpty)
    }

    /// Where the file claims a default, it is the default.
    @Test func defaultsAreTrue() throws {
        let withoutDefault = [
            "#hostname", "#workers", "#group ", "#max_connections_per_client", "#tls_certificate",
            "#tls_key", "#file", "#burst", "##schedule", "#\"", "#max_connections = 5000",
            "#[[intake.listener]]", "#listen = \"127.0.0.1:2527\"", "#priority = \"bulk\"",
            "#priority_headers = []", "#url", "#password_file", "#node",
        ]
        let lines = try SettingsFile.text(path: Self.path)
            .split(separator: "\n", omittingEmptySubsequences: false)
        let shaping = try #require(lines.firstIndex { $0 == "#[[shaping]]" })
        let retry = try #require(lines.firstIndex { $0 == "[retry]" })
        let kept = (lines[..<shaping] + lines[retry...]).filter { line in
            !withoutDefault.contains { line.hasPrefix($0) }
        }
        let text = Self.uncommented(kept.joined(separator: "\n"))
        var stated = try Configuration.load(text: text, file: "sluice.toml")
        let names = DestinationNames(identity: "a", domains: ["b"], exchangers: [])
        #expect(stated.limits.concurrency != nil && stated.retry.maxAge != nil)
        #expect(stated.policy(for: names) == Configuration().policy(for: names))
        stated.limits = LimitKeys()
        stated.retry = RetryKeys()
        #expect(stated == Configuration())
    }

    /// The examples are sound too.
    @Test func examplesLoad() throws {
        let text = Self.uncommented(
            try SettingsFile.text(path: Self.path)
                .replacing("##schedule", with: "# schedule")
                .replacing("#rate = \"off\"", with: "#rate = \"100/s\""))
        let configuration = try Configuration.load(text: text, file: "/sluice.toml")
        #expect(configuration.shaping.count == 2)
        #expect(configuration.rules.map(\.action) == [.suspend(.seconds(1800))])
        #expect(configuration.intake.listeners.map(\.priority) == [-3])
        #expect(configuration.routing.statics.count == 3)
        #expect(configuration.intake.certificate?.key == "/etc/ssl/private/mta1.key")
    }
}
