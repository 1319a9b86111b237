/// Why there is no screen to draw on. The caller falls back to plain text.
package enum TerminalError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Input or output is a pipe or a file.
    case notATerminal
    /// TERM is unset or names no terminfo entry.
    case unknown(String)
    /// It cannot place its cursor, as TERM=dumb.
    case notCapable(String)
    case failed

    package var description: String {
        switch self {
        case .notATerminal: "the input or the output is not a terminal"
        case .unknown(""): "TERM is not set"
        case .unknown(let name): "the terminal type '\(name)' is not known here (TERM)"
        case .notCapable(let name): "the terminal type '\(name)' has no movable cursor (TERM)"
        case .failed: "the terminal could not be opened"
        }
    }
}
