import Glibc
import Synchronization

/// Lines to standard error, gathered and written in blocks, so that a line per delivery does not
/// cost a system call each.
package final class LineLog: Sendable {
    private let pending = Mutex<[UInt8]>([])
    private let descriptor: Int32
    private static let block = 64 << 10

    package init(descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
    }

    package func append(_ line: String, now: Bool = false) {
        let full = pending.withLock { pending in
            pending.append(contentsOf: line.utf8)
            pending.append(UInt8(ascii: "\n"))
            return pending.count >= Self.block
        }
        if full || now { flush() }
    }

    package func flush() {
        pending.withLock { pending in
            var start = 0
            while start < pending.count {
                let written = pending.withUnsafeBytes {
                    Glibc.write(descriptor, $0.baseAddress! + start, pending.count - start)
                }
                if written < 0 && errno == EINTR { continue }
                // A reader that went away must not stop the mail.
                guard written > 0 else { break }
                start += written
            }
            pending.removeAll(keepingCapacity: true)
        }
    }
}
