import Foundation
import Glibc
import Testbed

/// A program that is run to its end.
enum Program {
    struct Result: Sendable {
        var status: Int32
        var output: String
        var errors: String

        var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    struct Missing: Error, CustomStringConvertible {
        var description: String
    }

    static var sluiced: String { get throws { try built("sluiced") } }
    static var sluice: String { get throws { try built("sluice") } }

    /// A dynamic library of the package.
    static func library(_ name: String) throws -> String { try built("lib\(name).so") }

    /// Beside the test bundle.
    private static func built(_ name: String) throws -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.bindMemory(to: CChar.self).baseAddress!, $0.count)
        }
        let own = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
        let folders = [own, CommandLine.arguments[0]].map {
            URL(fileURLWithPath: $0).deletingLastPathComponent().path
        }
        for folder in folders where access("\(folder)/\(name)", X_OK) == 0 {
            return "\(folder)/\(name)"
        }
        throw Missing(description: "\(name) is in none of \(folders): swift build --build-tests")
    }

    /// Where a program of the system is.
    static func find(_ name: String, package: String) throws -> String {
        let folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin", "/bin"]
        let path: String? = folders.map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
        guard let path else {
            throw Missing(description: "\(name) is not installed: apt-get install \(package)")
        }
        return path
    }

    /// Runs it, with `input` on its standard input, and waits for its end.
    static func run(
        _ path: String, _ arguments: [String], input: String = "",
        environment: [String: String] = [:]
    ) async throws -> Result {
        let directory = try TemporaryDirectory(prefix: "sluice-test-run")
        defer { directory.remove() }
        try Data(input.utf8).write(to: URL(fileURLWithPath: directory.file("in")))
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle(forReadingAtPath: directory.file("in"))
        for name in ["out", "err"] {
            _ = FileManager.default.createFile(atPath: directory.file(name), contents: nil)
        }
        process.standardOutput = FileHandle(forWritingAtPath: directory.file("out"))
        process.standardError = FileHandle(forWritingAtPath: directory.file("err"))
        let status: Int32 = try await withCheckedThrowingContinuation { continuation in
            process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
            do {
                try process.run()
            } catch {
                process.terminationHandler = nil
                continuation.resume(throwing: error)
            }
        }
        return Result(
            status: status, output: contents(directory.file("out")),
            errors: contents(directory.file("err")))
    }
}

/// A file as text, or what it has from a byte on; "" if it cannot be read.
func contents(_ path: String, from start: Int = 0) -> String {
    guard let file = FileHandle(forReadingAtPath: path) else { return "" }
    defer { try? file.close() }
    try? file.seek(toOffset: UInt64(start))
    return String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
}

/// Bytes; 0 where there is no file.
func size(of path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

/// The processes whose parent is `pid`.
func children(of pid: Int32) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap(Int32.init).filter { candidate in
        // "pid (name) state ppid …"; the name may hold anything.
        let fields = contents("/proc/\(candidate)/stat")
        guard let end = fields.lastIndex(of: ")") else { return false }
        return fields[end...].split(separator: " ").dropFirst(2).first == "\(pid)"
    }
}

func commandLine(of pid: Int32) -> [String] {
    contents("/proc/\(pid)/cmdline").split(separator: "\0").map(String.init)
}

/// False for a zombie: it has ended.
func isRunning(_ pid: Int32) -> Bool {
    let fields = contents("/proc/\(pid)/stat")
    guard let end = fields.lastIndex(of: ")") else { return false }
    return fields[end...].split(separator: " ").dropFirst(1).first != "Z"
}
