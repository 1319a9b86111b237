import Control

/// How a command ends: its status for the shell.
package enum ExitStatus {
    package static let done: Int32 = 0
    /// The daemon refused, or nothing matched.
    package static let refused: Int32 = 1
    package static let usage: Int32 = 2
    package static let noDaemon: Int32 = 3
}

/// Why a command ends without having done what it was asked for.
package struct CommandFailure: Error, Hashable, Sendable {
    package var status: Int32
    /// What happened and what to do; empty if it has been said already.
    package var message: String

    package init(status: Int32, message: String) {
        self.status = status
        self.message = message
    }

    package static func refused(_ message: String) -> CommandFailure {
        CommandFailure(status: ExitStatus.refused, message: message)
    }

    package static func usage(_ message: String) -> CommandFailure {
        CommandFailure(status: ExitStatus.usage, message: message)
    }

    /// The failure that an error of the client amounts to.
    package init(_ error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure
        case let error as ControlError:
            let status =
                switch error.code {
                case .noDaemon, .timeout: ExitStatus.noDaemon
                case .protocol, .notAllowed: ExitStatus.refused
                }
            self.init(status: status, message: error.message)
        case let refused as SubmissionRefused:
            self.init(status: ExitStatus.refused, message: refused.error.message)
        case let error as APIError: self.init(status: ExitStatus.refused, message: error.message)
        default: self.init(status: ExitStatus.refused, message: "\(error)")
        }
    }
}
