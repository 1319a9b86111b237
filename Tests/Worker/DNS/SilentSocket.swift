import Glibc
import Testing

/// A UDP port on which nobody answers.
final class SilentSocket {
    let port: Int
    private let descriptor: CInt

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        // sockaddr_in as bytes: family, port 0, 127.0.0.1.
        var address = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_in>.size)
        address[0] = UInt8(AF_INET)
        address.replaceSubrange(4..<8, with: [127, 0, 0, 1])
        var length = socklen_t(address.count)
        let descriptor = descriptor
        let isBound = address.withUnsafeMutableBytes { bytes in
            let pointer = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            guard let pointer, bind(descriptor, pointer, length) == 0 else { return false }
            return getsockname(descriptor, pointer, &length) == 0
        }
        try #require(isBound)
        port = Int(address[2]) << 8 | Int(address[3])
    }

    /// Blocks until a datagram is there.
    func waitForQuestion() {
        var poller = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&poller, 1, -1) < 0 && errno == EINTR {}
    }

    deinit {
        close(descriptor)
    }
}
