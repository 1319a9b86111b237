import Glibc

/// A loopback address and port that nobody else gets: bound, but not listening, so that connections
/// are refused. With SO_REUSEADDR on both, Linux lets one listener share it (socket(7)), which is
/// how a receiver goes down and comes back on the same port.
package final class PortReservation: Sendable {
    package let port: Int
    private let descriptor: CInt

    /// `port` 0: any that is free. Throws `TestbedError.system` if the address is not one of this
    /// machine's, the port is taken, or below 1024 and not for this user.
    package init(host: String, port: Int = 0) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw TestbedError.system("socket", errno) }
        var on: CInt = 1
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound =
            inet_pton(AF_INET, host, &address.sin_addr) == 1
            && setsockopt(
                descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size)) == 0
            && withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
                }
            }
        guard isBound else {
            let code = errno
            close(descriptor)
            throw TestbedError.system("bind \(host):\(port)", code)
        }
        self.descriptor = descriptor
        self.port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit {
        close(descriptor)
    }

    /// A port of that address that is free now. Somebody else may take it before it is used; where
    /// that matters, keep the reservation.
    static func freePort(host: String = "127.0.0.1") throws -> Int {
        try PortReservation(host: host).port
    }
}
