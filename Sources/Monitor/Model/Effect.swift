package import Control
package import Terminal

/// What the rows are asked for by.
package struct Query: Hashable, Codable, Sendable {
    package var filter: String?
    package var sort: String?
    package var descending: Bool

    package init(filter: String? = nil, sort: String? = nil, descending: Bool = false) {
        self.filter = filter
        self.sort = sort
        self.descending = descending
    }
}

/// What a page asks the daemon.
package enum Question: Hashable, Codable, Sendable {
    case destinations(Query, RowWindow)
    case destination(String)
    case messages(Query, RowWindow)
    case message(String)
    /// The lines of a message behind its header.
    case body(String)
    case ages(limit: Int)
    case schedule(limit: Int)
    case actions(RowWindow)
    /// What was followed, up to a moment of the past: only a recording has it.
    case log(StreamSubject)
}

package enum Answer: Sendable {
    case destinations(Page<DestinationRow>)
    /// nil: it is no longer there.
    case destination(DestinationDetail?)
    case messages(Page<MessageRow>)
    case message(MessageDetail?)
    case body(MessageBody?)
    case ages(AgeMap)
    case schedule(Schedule)
    case actions(Page<ActionRow>)
    case log([StreamItem])
}

package struct FetchRequest: Hashable, Sendable {
    /// Counts up; an answer that is older than one already shown is not shown.
    package var ticket: Int
    /// The page that asks.
    package var page: Int
    package var question: Question?
    /// Out of what was recorded; nil: the daemon is asked.
    package var past: PastTime?
}

/// What one fetch brings.
package struct Snapshot: Sendable {
    package var status: Status
    package var answer: Answer?
    /// For what comes out of the past.
    package var recollection: Recollection?

    package init(status: Status, answer: Answer? = nil) {
        self.status = status
        self.answer = answer
    }

    package init(_ recollection: Recollection) {
        status = recollection.status
        answer = recollection.answer?.answer
        self.recollection = recollection
    }
}

/// What a page follows as it happens.
package enum StreamSubject: Hashable, Codable, Sendable {
    case events
    /// - Parameter content: also what messages say.
    case trace(destination: String, content: Bool = false)
}

package struct StreamRequest: Hashable, Sendable {
    /// Counts up: what comes from an older one is no longer wanted.
    package var ticket: Int
    package var subject: StreamSubject
}

package enum StreamItem: Sendable {
    case event(Event)
    case trace(TraceLine)
}

package enum StreamNews: Sendable {
    case items([StreamItem])
    /// It has ended; nil where the daemon ended it.
    case ended(Failure?)
}

/// A file that the operator asked for.
package struct SavedFile: Hashable, Sendable {
    /// In the directory that the monitor was started in.
    package var name: String
    package var text: String
}

/// What the loop is to do.
package enum Effect: Sendable {
    case fetch(FetchRequest)
    /// Ask the daemon for what no page shows now, to be kept for the past.
    case sample(Question)
    case plan(ticket: Int, PlanRequest)
    case apply(ticket: Int, plan: String, ApplyRequest)
    case undo(action: String)
    /// Show another theme.
    case theme(String)
    /// Start with it from now on.
    case keepTheme(String)
    /// Write what was chosen down, for the next start.
    case keep(KeptChoices.Change)
    /// Follow this and nothing else; nil: nothing.
    case stream(StreamRequest?)
    /// Write a new file, readable to its owner only.
    case save(SavedFile)
    case quit
    /// Draw the whole screen anew.
    case repaint
}

/// What happened.
package enum ModelEvent: Sendable {
    case key(Key)
    /// A second has passed.
    case tick
    case resize(Size)
    case fetched(FetchRequest, Result<Snapshot, Failure>)
    case planned(ticket: Int, Result<Plan, Failure>)
    case applied(ticket: Int, Result<ActionRow, Failure>)
    case undone(Result<ActionRow, Failure>)
    case streamed(ticket: Int, StreamNews)
    case saved(Result<String, Failure>)
    case sampled
    /// Nothing more is written into the recording, and why.
    case recordingEnded(String)
}
