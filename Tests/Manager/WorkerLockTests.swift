import Control
import Foundation
import Glibc
import Logging
import Mail
import Testing

@testable import Manager

@Suite(.timeLimit(.minutes(15))) struct WorkerLockTests {
    /// A manager cannot start beside workers of another; one that hangs must not keep it from
    /// starting for ever.
    @Test func anOrphanThatHangsIsEnded() async throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-lock-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let orphan = try startOrphan(holding: path + "/workers.lock")
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        var lock = try WorkerLock(directory: path)
        let before = Clocks.system.wall()
        try await lock.awaitOldWorkers(logger: logger, patience: .milliseconds(100))
        var status: Int32 = 0
        #expect(waitpid(orphan, &status, 0) == orphan)
        #expect(status & 0x7F == SIGKILL)
        // It may have delivered until now.
        #expect(lock.lived >= before)
        close(lock.descriptor)
    }

    @Test func theNextLifeKnowsWhenThisOneWas() throws {
        let path = FileManager.default.temporaryDirectory
            .appendingPathComponent("sluice-lock-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let first = try WorkerLock(directory: path)
        let time = UnixTime(milliseconds: 1_700_000_000_123)
        first.renew(at: time)
        close(first.descriptor)
        let second = try WorkerLock(directory: path)
        #expect(second.lived == time)
        close(second.descriptor)
    }

    /// A process that has the lock, as a worker has it from its manager, and does nothing.
    private func startOrphan(holding path: String) throws -> pid_t {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        #expect(file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0)
        defer { close(file) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, file, 4)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("1000"), nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let result = posix_spawn(&pid, "/bin/sleep", &actions, nil, &arguments, environ)
        try #require(result == 0)
        return pid
    }
}
