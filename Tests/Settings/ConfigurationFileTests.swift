import Foundation
import Testing

@testable import Settings

/// With real files.
@Suite struct ConfigurationFileTests {
    private func inDirectory<Result>(_ body: (URL) throws -> Result) throws -> Result {
        let directory = FileManager.default.temporaryDirectory
            .appending(path: "settings-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        return try body(directory)
    }

    @Test func missingFile() throws {
        let error = #expect(throws: SettingsError.self) {
            try Configuration.load(path: "/nonexistent/sluice.toml")
        }
        #expect(
            error?.description
                == "/nonexistent/sluice.toml: no such file; give the right path with --config")
    }

    @Test func directoryInsteadOfAFile() throws {
        let error = #expect(throws: SettingsError.self) { try Configuration.load(path: "/tmp") }
        #expect(error?.description == "/tmp: a directory, not a file")
    }

    @Test func notUTF8() throws {
        try inDirectory { directory in
            let file = directory.appending(path: "s.toml")
            try Data("a = 1\nhostname = \"\u{e9}\"\n".unicodeScalars.map { UInt8($0.value) })
                .write(to: file)
            let error = #expect(throws: SettingsError.self) {
                try Configuration.load(path: file.path)
            }
            #expect(error?.problems.map(\.line) == [2])
            #expect(error?.description.contains("not UTF-8") == true)
        }
    }

    @Test func checkLooksAtWhatTheFileNames() throws {
        try inDirectory { directory in
            let file = directory.appending(path: "s.toml")
            try """
            hostname = "short"
            data_dir = "spool"
            control_socket = "missing/control.sock"
            [intake]
            tls_certificate = "chain.pem"
            tls_key = "s.toml"
            allow = ["0.0.0.0/0"]
            [retry]
            delay_warning = "6d"
            """.write(to: file, atomically: true, encoding: .utf8)
            let check = Configuration.check(path: file.path)
            #expect(check.configuration == nil)
            #expect(check.errors.map(\.line) == [5])
            #expect(check.errors.map(\.key) == ["intake.tls_certificate"])
            #expect(check.errors[0].message.contains("chain.pem cannot be read: No such file"))
            #expect(check.warnings.map(\.line) == [1, 2, 3, 7, 9])
            #expect(check.warnings[1].message.contains("install -d -m 0750"))
            #expect(check.warnings[3].description.contains(": warning: intake.allow: "))

            // A file that only has warnings is usable, and loads.
            try "hostname = \"short\"\n".write(to: file, atomically: true, encoding: .utf8)
            #expect(Configuration.check(path: file.path).configuration?.hostname == "short")
            #expect(try Configuration.load(path: file.path).hostname == "short")
        }
    }

    @Test func checkReportsAFileInTheWay() throws {
        try inDirectory { directory in
            let file = directory.appending(path: "s.toml")
            try """
            hostname = "mta1.example.net"
            data_dir = "s.toml"
            control_socket = "control.sock"
            """.write(to: file, atomically: true, encoding: .utf8)
            let check = Configuration.check(path: file.path)
            #expect(check.problems.map(\.key) == ["data_dir"])
            #expect(check.errors.first?.message.hasSuffix("s.toml is not a directory") == true)
        }
    }
}
