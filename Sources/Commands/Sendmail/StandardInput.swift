#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

package enum StandardInput {
    package static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// A whole message, with CRLF line ends.
    package static func message(endsAtDot: Bool) throws(CommandFailure) -> [UInt8] {
        var input = MessageInput(endsAtDot: endsAtDot)
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(STDIN_FILENO, &buffer, buffer.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                // Half a message must not be sent.
                throw CommandFailure(
                    status: SysExit.temporary,
                    message: "the input cannot be read: \(String(cString: strerror(errno)))")
            }
            if input.append(buffer[..<count]) { break }
            if input.isTooLarge {
                throw CommandFailure(
                    status: SysExit.dataError,
                    message: "the message is larger than \(Format.size(MessageInput.maximum))")
            }
        }
        return input.finish()
    }
}
