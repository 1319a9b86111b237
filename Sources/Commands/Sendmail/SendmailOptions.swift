/// The command line of the program that other programs call `sendmail`.
///
/// Flags that mean nothing here are taken and ignored, as every replacement of sendmail does;
/// modes that are not offered are refused.
package struct SendmailOptions: Hashable, Sendable {
    package enum Mode: Hashable, Sendable {
        case deliver
        /// `-bp`, `mailq`.
        case printQueue
        /// `-bi`, `-I`, `newaliases`: there are no aliases to build.
        case nothing
    }

    package var mode = Mode.deliver
    /// `-f`, `-r`: the envelope sender; empty for the null sender.
    package var sender: String?
    /// `-F`.
    package var fullName: String?
    /// `-t`.
    package var readsRecipients = false
    /// `-i`, `-oi`: a line with nothing but a dot does not end the message.
    package var ignoresDots = false
    package var recipients: [String] = []

    package init() {}

    /// The names under which the program takes these flags.
    package static let programNames = ["sendmail", "mailq", "newaliases"]

    /// The last part of argv[0].
    package static func programName(_ path: String) -> String {
        String(path.split(separator: "/").last ?? "")
    }

    /// - Parameter arguments: without the program's name.
    /// - Throws: a `CommandFailure` with the status EX_USAGE.
    package init(program: String, _ arguments: [String]) throws(CommandFailure) {
        if program == "mailq" { mode = .printQueue }
        if program == "newaliases" { mode = .nothing }
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                recipients += rest
                return
            }
            guard argument.hasPrefix("-"), argument != "-" else {
                recipients.append(argument)
                continue
            }
            var letters = argument.dropFirst()
            while let letter = letters.popFirst() {
                guard Self.withValue.contains(letter) else {
                    try set(letter)
                    continue
                }
                let value: String
                if !letters.isEmpty {
                    value = String(letters)
                } else if let next = rest.popFirst() {
                    value = next
                } else {
                    throw Self.usage("-\(letter) needs a value")
                }
                try set(letter, value)
                break
            }
        }
    }

    /// Those of Postfix's sendmail: a value follows in the same argument or in the next.
    private static let withValue: Set<Character> = [
        "A", "B", "C", "F", "L", "N", "O", "R", "V", "X", "b", "d", "e", "f", "h", "o", "p", "r",
    ]

    private mutating func set(_ flag: Character) throws(CommandFailure) {
        switch flag {
        case "t": readsRecipients = true
        case "i": ignoresDots = true
        case "I": mode = .nothing
        case "G", "U", "c", "m", "n", "v", "x": break
        case "q": throw Self.usage("-q: use sluice retry \"*\" to make waiting mail due now")
        default: throw Self.usage("unknown flag -\(flag)")
        }
    }

    private mutating func set(_ flag: Character, _ value: String) throws(CommandFailure) {
        switch flag {
        case "f", "r": sender = value == "<>" ? "" : value
        case "F": fullName = value
        case "o": if value == "i" { ignoresDots = true }
        case "b":
            switch value {
            case "m": mode = .deliver
            case "p": mode = .printQueue
            case "i": mode = .nothing
            default: throw Self.usage("-b\(value) is not offered; -bm, -bp and -bi are")
            }
        default: break
        }
    }

    private static func usage(_ message: String) -> CommandFailure {
        CommandFailure(status: SysExit.usage, message: message)
    }
}

/// The statuses that programs expect of sendmail (sysexits.h).
package enum SysExit {
    package static let ok: Int32 = 0
    package static let usage: Int32 = 64
    package static let dataError: Int32 = 65
    package static let noUser: Int32 = 67
    package static let unavailable: Int32 = 69
    package static let temporary: Int32 = 75
    package static let noPermission: Int32 = 77
}
