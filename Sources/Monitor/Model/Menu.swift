package import Control

/// A choice among few.
package struct Menu: Sendable {
    package enum Purpose: Sendable {
        case sort
        /// Which worker gets these; the rows as they were.
        case worker(Subject, [WorkerRow])
        /// Seen while it is chosen; `before` comes back if none is.
        case theme(before: String)
    }

    package enum Choice: Hashable, Sendable {
        /// nil: the daemon's own order.
        case sort(String?)
        /// nil: whichever the ring says.
        case worker(Int?)
        case theme(String)
    }

    package var purpose: Purpose
    /// Decided when it opened: what moves behind it moves nothing in it.
    package let choices: [Choice]
    package var selected: Int
    /// The worker that has it now, where there is one.
    package var now: Int? = nil
}
