import Glibc

/// Ends the wait of another thread: a socket that can be read once it was called.
final class WakeUp: Sendable {
    /// For poll(2).
    let descriptor: Int32
    private let far: Int32

    /// - Throws: where no pair of sockets can be had.
    init() throws(WorkerProcess.Failure) {
        var ends: [Int32] = [-1, -1]
        let kind =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw WorkerProcess.Failure(description: "socketpair: \(WorkerProcess.errorText())")
        }
        (descriptor, far) = (ends[0], ends[1])
    }

    deinit {
        close(descriptor)
        close(far)
    }

    /// One that is full has woken whoever waits.
    func call() {
        var byte: UInt8 = 0
        _ = write(far, &byte, 1)
    }

    /// Before a look at what it was called for.
    func clear() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(descriptor, &bytes, bytes.count) > 0 {}
    }
}
