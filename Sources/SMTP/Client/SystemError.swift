#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Names for the errors that connections end with. strerror(3) is not safe with threads.
enum SystemError {
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
        case EACCES, EPERM: "Permission denied"
        default: nil
        }
    }
}
