import Control

/// Why a request brought no answer, or which answer the daemon refused it with.
package struct Failure: Error, Hashable, Sendable {
    /// The daemon's, stable: `bad-filter`, `forbidden`, …; nil where the daemon was not reached.
    package var code: String?
    package var message: String
    /// For a filter: where in it, in characters from the start.
    package var position: Int?

    /// Somebody listens and does not answer: it hangs, or has too much to do.
    package var isSilence = false

    package init(code: String?, message: String, position: Int? = nil) {
        self.code = code
        self.message = message
        self.position = position
    }

    package init(_ error: any Error) {
        if let error = error as? APIError {
            self.init(code: error.code, message: error.message, position: error.position)
        } else {
            self.init(code: nil, message: "\(error)")
            isSilence = (error as? ControlError)?.code == .timeout
        }
    }

    /// The daemon is there and said no.
    package var isAnswer: Bool { code != nil }
}
