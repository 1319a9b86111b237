import Glibc

/// What can go wrong in the testbed itself.
package enum TestbedError: Error, CustomStringConvertible {
    /// A system call failed: what was tried, and errno.
    case system(String, CInt)
    /// The daemon did not come up, or ended by itself: how, and the last lines of its log.
    case daemon(String, log: String, lastLines: [String])
    /// The other end closed the connection in the middle of a conversation.
    case connectionClosed
    /// The other end answered what no server may.
    case malformedReply(String)
    /// A command was refused that has to succeed: the command, the reply.
    case refused(String, String)

    package var description: String {
        switch self {
        case .system(let action, let code):
            "\(action): \(String(cString: strerror(code)))"
        case .daemon(let what, let log, let lines):
            (["\(what); its log is \(log), the last lines of it:"] + lines.map { "    " + $0 })
                .joined(separator: "\n")
        case .connectionClosed:
            "the connection was closed"
        case .malformedReply(let line):
            "malformed reply: \(line.debugDescription)"
        case .refused(let command, let reply):
            "\(command): \(reply)"
        }
    }
}
