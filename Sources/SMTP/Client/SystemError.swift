#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Names for the errors that connections end with. strerror(3) is not safe with threads.
enum SystemError {
    /// Whether the cause lies in this host: no descriptor, no memory, no port, an address that is
    /// not its own, a rule of its own. It says nothing about who was to be connected to.
    static func isLocal(_ code: Int32) -> Bool {
        [EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL, EADDRINUSE, EACCES, EPERM]
            .contains(code)
    }

    static func text(_ code: Int32) -> String? {
        switch code {
        case ECONNREFUSED: "Connection refused"
        case ECONNRESET: "Connection reset by peer"
        case EPIPE: "Connection closed by peer"
        case ETIMEDOUT: "Connection timed out"
        case EHOSTUNREACH: "No route to host"
        case ENETUNREACH: "Network is unreachable"
        case EADDRNOTAVAIL: "Cannot assign requested address"
        case EADDRINUSE: "Address already in use"
        case EMFILE: "Too many open files"
        case ENFILE: "Too many open files in the system"
        case ENOBUFS: "No buffer space available"
        case ENOMEM: "Out of memory"
        case EACCES, EPERM: "Permission denied"
        default: nil
        }
    }
}
