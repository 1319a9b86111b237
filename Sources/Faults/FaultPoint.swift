#if DEBUG
/// A point between two effects on a message's way, at which a test can end processes: every
/// moment at which a crash could lose or repeat something has a name here.
///
/// In a debug build a point is armed by the environment, see `FaultPlan`. A release has neither
/// the points nor their names: `FaultPoint.x.reached()` is compiled to nothing.
package enum FaultPoint: String, CaseIterable, Sendable {
    // Taking in: the manager.
    /// The message is in memory, whole.
    case received
    /// Its recipients are split into deliveries; the writer has it next.
    case bound
    /// A transaction of the spool is written and not committed.
    case applied
    /// It is on disk; nobody knows yet.
    case synced
    /// A message is on disk; its client has no answer.
    case committed
    /// The 250 is on its way.
    case answered

    // Routing.
    /// Manager: a worker is asked for a domain.
    case routeAsked
    /// Worker: the answer of DNS is there and not told.
    case routeResolved
    /// Manager: all domains are known; the split is not recorded.
    case routed
    /// Manager: the split is on disk; no owner has the deliveries.
    case routeRecorded

    // Handing to a worker.
    /// Manager: a worker is given a destination.
    case assigned
    /// Manager: a delivery is given to its worker.
    case handed
    /// Manager: frames to a worker are in the socket.
    case framesSent
    /// Manager: a page of a destination's queue is read and not sent.
    case loading
    /// Manager: a destination's queue is loaded.
    case loaded

    // Delivering: the worker.
    /// A delivery is there.
    case queued
    /// The scheduler starts it.
    case started
    /// Its body is asked for and has come.
    case fetched
    /// A connection is ready; MAIL is sent next.
    case opened
    /// DATA is answered 354; the message is sent next.
    case dataAccepted
    /// The final dot is sent.
    case dotSent
    /// The reply to it is read; nothing is made of it yet.
    case replyRead
    /// The result is kept, and not told.
    case resultKept
    /// The result is in the socket to the manager.
    case reported

    // Recording: the manager.
    /// A result has come.
    case resultReceived
    /// A result that removes its delivery is on disk.
    case recorded
    /// Worker: it has been told that its results are on disk.
    case acknowledged
    /// A deferral is not recorded yet.
    case deferring
    case deferred
    /// Some recipients are done and some are not; that is read and not recorded.
    case settling
    case settled
    /// A bounce is made and not recorded.
    case bouncing
    /// The bounce and the end of what it is about are on disk.
    case bounced

    // An orphaned worker, and the next manager.
    /// Worker: results are about to be written to its journal.
    case journalOpened
    /// Worker: the journal is on disk.
    case journalSynced
    /// Manager: journals are read and not recorded.
    case journalRead
    /// Manager: a journal is recorded and still there.
    case journalRecorded
    /// Manager: the spool is opened and restored; nothing runs yet.
    case restored

    // Actions: the manager.
    /// The mark of a purge, bounce or hold is not recorded.
    case marking
    /// Of many marks the first are on disk, the others are not yet.
    case partlyMarked
    /// It is on disk; the worker still has the deliveries.
    case marked
    /// The workers have forgotten the deliveries; the action is not concluded.
    case withdrawn
    /// The undo window is over; nothing is destroyed.
    case destroying
    /// What was purged is gone; the action does not say so.
    case destroyed
    /// The marks are about to be taken back.
    case undoing
    /// Of many the first are taken back, the others are not yet.
    case partlyUndone
    /// They are taken back; the deliveries have no owner.
    case undone
    /// Held mail is about to be released.
    case releasing
    case released
    /// Deliveries are about to be made due.
    case retrying
    /// They are due on disk; their workers do not know.
    case retried
    /// A destination is about to be paused.
    case pausing
    /// Its pause and the action are on disk; who asked for it has no answer.
    case paused
    case resuming
    case resumed

    // A destination moves.
    /// Manager: the old owner is told to give it up.
    case surrenderAsked
    /// Worker: it has stopped it.
    case surrendering
    /// Worker: nothing of it is under way; that is not told.
    case surrendered
    /// Manager: nobody has it.
    case handedOver

    // An orderly end.
    /// Manager: no new mail is taken in.
    case stopping
    /// Worker: told to end.
    case dismissed

    /// Ends what is to be ended, if this point is armed and this is its turn.
    package func reached() { FaultPlan.armed?.reached(self) }
}
#else
/// What is left of fault points in a release: nothing that is run, and no name of a point.
///
/// Public, as the compiler does not inline across modules what is `package`.
@dynamicMemberLookup
public struct FaultPoint {
    @inlinable @inline(__always)
    public static subscript(dynamicMember _: StaticString) -> FaultPoint { FaultPoint() }

    @inlinable @inline(__always)
    public init() {}

    @inlinable @inline(__always)
    public func reached() {}
}
#endif
