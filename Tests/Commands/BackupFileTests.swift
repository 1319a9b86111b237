import Foundation
import Testing

@testable import Commands

@Suite struct BackupFileTests {
    private let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-backup-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    }

    private func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    }

    private func end() { try? FileManager.default.removeItem(at: directory) }

    private func refused(_ mentions: String..., body: () throws -> Void) {
        do {
            try body()
            Issue.record("did not throw")
        } catch let failure as CommandFailure {
            #expect(failure.status == ExitStatus.refused)
            for text in mentions { #expect(failure.message.contains(text), "\(failure.message)") }
        } catch {
            Issue.record(error)
        }
    }

    @Test func itHasItsNameOnlyWhenItIsWhole() throws {
        defer { end() }
        var file: BackupFile? = try BackupFile(path: path("copy"), replaces: false)
        try file?.append([1, 2])
        #expect(!FileManager.default.fileExists(atPath: path("copy")))
        try file?.append([3])
        try file?.finish()
        #expect(file?.bytes == 3)
        file = nil
        #expect(try names() == ["copy"])
        #expect(FileManager.default.contents(atPath: path("copy")) == Data([1, 2, 3]))
        let mode = try FileManager.default.attributesOfItem(atPath: path("copy"))[.posixPermissions]
        #expect(mode as? Int == 0o600)
    }

    @Test func nothingIsLeftOfHalfACopy() throws {
        defer { end() }
        try Data([9]).write(to: URL(fileURLWithPath: path("copy")))
        var file: BackupFile? = try BackupFile(path: path("copy"), replaces: true)
        try file?.append([1, 2])
        file = nil
        #expect(try names() == ["copy"])
        #expect(FileManager.default.contents(atPath: path("copy")) == Data([9]))
    }

    @Test func anExistingFileStays() throws {
        defer { end() }
        try Data([9]).write(to: URL(fileURLWithPath: path("copy")))
        refused("copy exists", "--force") {
            _ = try BackupFile(path: path("copy"), replaces: false)
        }
        let file = try BackupFile(path: path("copy"), replaces: true)
        try file.append([1])
        try file.finish()
        #expect(FileManager.default.contents(atPath: path("copy")) == Data([1]))
    }

    /// One that came while the copy was made is not replaced either.
    @Test func aFileThatComesMeanwhileStays() throws {
        defer { end() }
        var file: BackupFile? = try BackupFile(path: path("copy"), replaces: false)
        try Data([9]).write(to: URL(fileURLWithPath: path("copy")))
        refused("copy exists") { try file?.finish() }
        file = nil
        #expect(try names() == ["copy"])
        #expect(FileManager.default.contents(atPath: path("copy")) == Data([9]))
    }

    @Test func badPlaces() throws {
        defer { end() }
        refused("nowhere/copy", "make its directory") {
            _ = try BackupFile(path: path("nowhere/copy"), replaces: false)
        }
        refused("is no file") { _ = try BackupFile(path: directory.path, replaces: true) }
        refused("is no file") { _ = try BackupFile(path: "/dev/null", replaces: true) }
        refused("/proc/copy") { _ = try BackupFile(path: "/proc/copy", replaces: false) }
    }

    @Test func twoAtATimeDoNotMeet() throws {
        defer { end() }
        let first = try BackupFile(path: path("copy"), replaces: true)
        let second = try BackupFile(path: path("copy"), replaces: true)
        try first.append([1, 1])
        try second.append([2, 2])
        try first.finish()
        #expect(FileManager.default.contents(atPath: path("copy")) == Data([1, 1]))
        try second.finish()
        #expect(FileManager.default.contents(atPath: path("copy")) == Data([2, 2]))
    }
}
