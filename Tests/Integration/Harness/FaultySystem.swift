import FaultySystem
import Foundation
import Glibc
import Testbed

/// What a test can make fail under a daemon: the disk below its data directory, and its clock. A
/// library that is preloaded into its processes does it, when the test says so.
final class FaultySystemControl: Sendable {
    enum Fault: Int64, CaseIterable, Sendable {
        case none
        /// No space is left for any write.
        case fullDisk
        /// Writes fail with an I/O error.
        case failingWrites
        /// What is written does not reach the disk, and fsync says so.
        case failingSync
        /// The file system has been remounted read-only.
        case readOnly
    }

    private let path: String

    /// For daemons that are started after it.
    init(for daemon: Daemon) throws {
        path = daemon.dataDirectory + ".faulty"
        try write(Fault.none, clockOffset: .zero)
        daemon.environment.merge([
            "LD_PRELOAD": try Program.library("FaultySystem"),
            "SLUICE_FAULTY_CONTROL": path, "SLUICE_FAULTY_DIRECTORY": daemon.dataDirectory,
        ]) { $1 }
    }

    /// - Parameter writes: how many are still made before it begins.
    func set(_ fault: Fault, after writes: Int = 0) throws {
        try write(fault, clockOffset: .zero, after: writes)
    }

    /// The wall clock is so far ahead of the true time, or behind it.
    func setClock(_ offset: Duration) throws { try write(.none, clockOffset: offset) }

    /// In place: the processes have the file in their memory.
    private func write(_ fault: Fault, clockOffset: Duration, after writes: Int = 0) throws {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw TestbedError.system(path, errno) }
        defer { close(file) }
        let (seconds, attoseconds) = clockOffset.components
        var value = faulty_system(
            fault: fault.rawValue,
            clock_offset: seconds * 1_000_000_000 + attoseconds / 1_000_000_000,
            writes_left: Int64(writes))
        let size = MemoryLayout<faulty_system>.size
        guard pwrite(file, &value, size, 0) == size else {
            throw TestbedError.system(path, errno)
        }
    }
}
