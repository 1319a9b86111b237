package import Filter
package import Mail
package import NIOCore

/// Where accepted mail lives: messages, deliveries, destinations and the operators' actions.
///
/// All calls block and may be slow; they are made on threads that exist for it (`SpoolWriter`,
/// `SpoolReader`), never on an event loop or in the cooperative pool. Writes come in batches and
/// are durable when `commit` returns. A second implementation (a shared database) takes the same
/// calls, so nothing here assumes a file.
package protocol Spool: Sendable {
    /// Hands out ids that were never used and never will be again, also after a crash.
    func reserveMessageIDs(_ count: Int) throws(SpoolError) -> Range<Int64>

    /// Applies all writes in their order in one transaction. On return they are on disk; when it
    /// throws none of them happened.
    func commit(_ writes: [SpoolWrite]) throws(SpoolError)

    /// The body as accepted (with the Received header); nil if the message has left.
    func body(of message: MessageID) throws(SpoolError) -> ByteBuffer?

    /// As `body`, for several at once; `damage` are those that are not what was written. Those
    /// that have left are in neither.
    func bodies(of messages: [MessageID]) throws(SpoolError) -> SpoolBodies

    func message(_ id: MessageID) throws(SpoolError) -> MessageRecord?

    /// Deliveries in the order of their ids, `after` excluded: of one destination, or all. Fewer
    /// than `limit` only at the end.
    func deliveries(
        destination: Int64?, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> [StoredDelivery]

    /// The deliveries of all these destinations in the order of their ids, `after` excluded, as of
    /// the last commit. nil: asking for each destination costs no more.
    func queue(
        of destinations: Set<Int64>, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> QueuePage?

    /// In the order of `ids`; those that have left are left out.
    func deliveries(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredDelivery]

    /// What is needed to send them: as `deliveries`, and the bodies of those messages that have at
    /// most so many bytes.
    func letters(_ ids: [DeliveryID], upTo bytes: Int) throws(SpoolError) -> SpoolLetters

    /// One for each of `ids`; nil for those that have left.
    func states(_ ids: [DeliveryID]) throws(SpoolError) -> [StoredState?]

    /// In the order of `ids`; those that have left are left out.
    func figures(_ ids: [DeliveryID]) throws(SpoolError) -> [DeliveryFigures]

    func deliveries(of message: MessageID) throws(SpoolError) -> [StoredDelivery]

    /// What has been tried for the deliveries of a message, in the order of their ids and numbers;
    /// `StoredAttempt` says which are kept.
    func attempts(of message: MessageID) throws(SpoolError) -> [StoredAttempt]

    /// Those that have no destination yet, in the order of their ids.
    func unrouted() throws(SpoolError) -> [StoredDelivery]

    func messageCount() throws(SpoolError) -> Int

    func actionCount() throws(SpoolError) -> Int

    /// A page for `GET /v1/messages`, rows and total of the same instant. Rows may lack what such a
    /// page does not show: client, RET and ENVID, and of the recipients all but the address.
    func page(_ query: DeliveryQuery) throws(SpoolError) -> DeliveryPage

    /// All that a filter selects: what a plan is bound to. Sort, limit and offset do not count.
    func select(_ query: DeliveryQuery) throws(SpoolError) -> DeliverySet

    /// Per destination: the deliveries by state and the oldest; for start-up.
    func tallies() throws(SpoolError) -> [DestinationTally]

    /// All that is queued, counted by age, by when it is due and by when it expires; bounds in
    /// seconds.
    func census(
        ages: [Double], due: [Double], at now: UnixTime
    ) throws(SpoolError) -> QueueCensus

    func destinations() throws(SpoolError) -> [DestinationRecord]

    /// Those of these ids that there are.
    func destinations(_ ids: Set<Int64>) throws(SpoolError) -> [DestinationRecord]

    /// Those whose id, divided by `divisor`, leaves one of these.
    func destinations(
        leaving remainders: Set<Int>, dividedBy divisor: Int
    ) throws(SpoolError) -> [DestinationRecord]

    /// Of these destinations alone.
    func tallies(of ids: Set<Int64>) throws(SpoolError) -> [DestinationTally]

    /// Newest first.
    func actions(limit: Int, offset: Int) throws(SpoolError) -> [ActionRecord]

    func action(_ id: Int64) throws(SpoolError) -> ActionRecord?

    /// What `removeAll` has removed for an action so far.
    func removed(for action: Int64) throws(SpoolError) -> Int

    /// How many bytes of mail can be taken in and still leave room to record what becomes of the
    /// mail that is here. At 0 intake answers 452, while delivery goes on.
    func availableBytes() throws(SpoolError) -> Int

    /// A consistent copy of everything in one new file, made while the spool is in use. Needs as
    /// much room on the disk as the spool has.
    func copyForBackup() throws(SpoolError) -> SpoolCopy

    /// As `SpoolWrite.moving` has set it: while it is not nil, mail may be in two spools.
    func moveInProgress() throws(SpoolError) -> Int64?

    /// Ends the use of the spool; releases its lock.
    func close()
}

extension Spool {
    /// For a spool that does not know.
    package func availableBytes() throws(SpoolError) -> Int { .max }

    /// For a spool that has no column of them in memory.
    package func queue(
        of destinations: Set<Int64>, after: DeliveryID?, limit: Int
    ) throws(SpoolError) -> QueuePage? { nil }

    /// For a spool that is asked for all or none.
    package func destinations(_ ids: Set<Int64>) throws(SpoolError) -> [DestinationRecord] {
        try destinations().filter { ids.contains($0.id) }
    }

    /// For a spool that no nodes share, as the next.
    package func destinations(
        leaving remainders: Set<Int>, dividedBy divisor: Int
    ) throws(SpoolError) -> [DestinationRecord] {
        try destinations().filter {
            remainders.contains(Int($0.id.magnitude % UInt64(divisor)))
        }
    }

    package func tallies(of ids: Set<Int64>) throws(SpoolError) -> [DestinationTally] {
        try tallies().filter { $0.destination.map(ids.contains) ?? false }
    }

    /// For a spool that is not moved.
    package func moveInProgress() throws(SpoolError) -> Int64? { nil }

    /// For a spool to which one question after the other costs no more; as the next.
    package func letters(
        _ ids: [DeliveryID], upTo bytes: Int
    ) throws(SpoolError) -> SpoolLetters {
        let deliveries = try deliveries(ids)
        let wanted = Set(deliveries.filter { $0.message.size <= bytes }.map(\.id.message))
        return SpoolLetters(deliveries: deliveries, bodies: try bodies(of: Array(wanted)))
    }

    package func bodies(of messages: [MessageID]) throws(SpoolError) -> SpoolBodies {
        var bodies = SpoolBodies()
        for message in messages {
            do throws(SpoolError) {
                bodies.texts[message] = try body(of: message)
            } catch  where error.code == .damaged {
                bodies.damage[message] = error
            }
        }
        return bodies
    }
}

package struct SpoolBodies: Sendable {
    package var texts: [MessageID: ByteBuffer] = [:]
    package var damage: [MessageID: SpoolError] = [:]

    package init() {}
}

/// Deliveries, and the bodies of their messages as far as they were asked for.
package struct SpoolLetters: Sendable {
    package var deliveries: [StoredDelivery]
    package var bodies: SpoolBodies

    package init(deliveries: [StoredDelivery], bodies: SpoolBodies) {
        self.deliveries = deliveries
        self.bodies = bodies
    }
}

/// Something went wrong with the spool. `code` is stable, `cause` is the engine's own words,
/// `context` says which file or call.
package struct SpoolError: Error, Sendable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// No space, quota reached, read-only, I/O error: may go away; intake answers 4xx.
        case cannotWrite = "spool-cannot-write"
        /// Another process has it.
        case inUse = "spool-in-use"
        /// A schema newer than this program knows.
        case tooNew = "spool-too-new"
        /// Not a spool, or damaged.
        case damaged = "spool-damaged"
        /// The directory is missing or may not be used, or the spool has been closed.
        case unusable = "spool-unusable"
        /// The write or the query itself is at fault (an id that exists already, a filter too
        /// deep): alone it fails again, others do not fail with it.
        case refused = "spool-refused"
    }

    package var code: Code
    package var cause: String
    package var context: String

    package init(code: Code, cause: String, context: String) {
        self.code = code
        self.cause = cause
        self.context = context
    }

    package var description: String { "\(code.rawValue): \(context): \(cause)" }

    package static func damaged(_ cause: String) -> SpoolError {
        SpoolError(code: .damaged, cause: cause, context: "")
    }

    package static func refused(_ cause: String) -> SpoolError {
        SpoolError(code: .refused, cause: cause, context: "")
    }
}

/// One change. A batch of them is one transaction.
package enum SpoolWrite: Sendable {
    /// A message and its deliveries, at least one. Those with a destination are queued.
    case accept(NewMessage)
    /// A delivery that had no destination is replaced by deliveries of the same message that have
    /// one; one of them may keep its id. Attempts and the last reply are carried over, and so is
    /// a hold or a purge. Into none: it leaves, as with `remove`. Nothing happens if it has left.
    case route(DeliveryID, into: [NewDelivery])
    /// All recipients of the delivery have their final outcome: it leaves, and with the last
    /// delivery of a message the message and its body.
    case remove(DeliveryID)
    /// An attempt (or part of it) failed for now.
    case update(DeliveryUpdate)
    /// What was tried, beside the `update` that says what follows from it. Nothing happens if the
    /// delivery has left, or has neither an attempt nor a reply.
    case attempt(StoredAttempt)
    /// Operators' bulk changes: only deliveries in one of the states `from` change. `at` is the
    /// end of the undo window. What has no destination yet becomes `routing` where `to` says
    /// `queued`.
    case mark([DeliveryID], from: Set<StoredState>, to: StoredState, at: UnixTime?)
    /// Those in the state leave. Where there are too many for one transaction, `countedFor` keeps
    /// count of them for an action, across crashes.
    case removeAll([DeliveryID], in: StoredState, countedFor: Int64?)
    /// The count is in the action's record.
    case forgetCount(of: Int64)
    /// Makes deliveries due at a time; attempts stay.
    case reschedule([DeliveryID], at: UnixTime)
    /// New, or in place of the one with the same id.
    case destination(DestinationRecord)
    /// Does nothing while mail is queued for it.
    case forgetDestination(Int64)
    /// New, or in place of the one with the same id.
    case action(ActionRecord)
    /// The sender has been told that it is late.
    case warned(DeliveryID)
    /// The number of the move to or from another spool that is going on; nil: it has ended.
    case moving(Int64?)
    /// Changes nothing that anybody reads, but only succeeds where writes succeed.
    case probe
}

package enum StoredState: UInt8, Sendable, CaseIterable {
    case routing = 0
    case queued = 1
    case held = 2
    /// Waits out the undo window of a purge; destroyed at the delivery's `purgeAt`.
    case purging = 3
    /// Waits out the undo window of an operator's bounce.
    case bouncing = 4
}

/// One recipient, as long as it has no final outcome.
package struct StoredRecipient: Hashable, Sendable {
    package var address: String
    /// RFC 3461 NOTIFY, ORCPT (xtext as received); empty where not given.
    package var notify: String
    package var originalRecipient: String
    /// The last reply that was this recipient's own; empty before the first attempt.
    package var lastReply: String

    package init(
        address: String, notify: String = "", originalRecipient: String = "",
        lastReply: String = ""
    ) {
        self.address = address
        self.notify = notify
        self.originalRecipient = originalRecipient
        self.lastReply = lastReply
    }
}

package struct NewMessage: Sendable {
    package var record: MessageRecord
    package var body: ByteBuffer
    package var deliveries: [NewDelivery]

    package init(record: MessageRecord, body: ByteBuffer, deliveries: [NewDelivery]) {
        self.record = record
        self.body = body
        self.deliveries = deliveries
    }
}

package struct MessageRecord: Hashable, Sendable {
    package var id: MessageID
    /// Empty for the null sender.
    package var sender: String
    package var receivedAt: UnixTime
    package var expiresAt: UnixTime
    /// Bytes of the body.
    package var size: Int
    /// BODY=8BITMIME, SMTPUTF8, and whether a line begins with a dot (scanned once, at intake).
    package var eightBit: Bool
    package var utf8: Bool
    package var leadingDots: Bool
    /// RFC 3461 RET and ENVID; empty where not given.
    package var ret: String
    package var envelopeID: String
    /// "name [address]" of the client, for people.
    package var client: String
    /// `MailPriority`, -8 to 7 as far as the spool is concerned.
    package var priority: Int

    package init(
        id: MessageID, sender: String, receivedAt: UnixTime, expiresAt: UnixTime, size: Int,
        eightBit: Bool = false, utf8: Bool = false, leadingDots: Bool = true, ret: String = "",
        envelopeID: String = "", client: String = "", priority: Int = 0
    ) {
        self.priority = priority
        self.id = id
        self.sender = sender
        self.receivedAt = receivedAt
        self.expiresAt = expiresAt
        self.size = size
        self.eightBit = eightBit
        self.utf8 = utf8
        self.leadingDots = leadingDots
        self.ret = ret
        self.envelopeID = envelopeID
        self.client = client
    }
}

package struct NewDelivery: Sendable {
    package var id: DeliveryID
    /// nil: not routed yet (state `routing`, recipients of any domains).
    package var destination: Int64?
    /// The recipients' domain, or the first of them, for people and filters.
    package var domain: String
    package var recipients: [StoredRecipient]
    package var nextAttemptAt: UnixTime
    /// Another node of a cluster has it, or may have it soon, and is to be told.
    package var isElsewhere = false

    package init(
        id: DeliveryID, destination: Int64?, domain: String, recipients: [StoredRecipient],
        nextAttemptAt: UnixTime
    ) {
        self.id = id
        self.destination = destination
        self.domain = domain
        self.recipients = recipients
        self.nextAttemptAt = nextAttemptAt
    }
}

package struct DeliveryUpdate: Sendable {
    package var id: DeliveryID
    package var attempts: Int
    package var nextAttemptAt: UnixTime
    package var lastReply: String
    /// The rule that said what to make of that reply; empty: none did.
    package var lastRule: String
    /// Those still queued where the attempt settled some; nil where all stay as they were.
    package var recipients: [StoredRecipient]?

    package init(
        id: DeliveryID, attempts: Int, nextAttemptAt: UnixTime, lastReply: String,
        lastRule: String = "", recipients: [StoredRecipient]?
    ) {
        self.id = id
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.lastReply = lastReply
        self.lastRule = lastRule
        self.recipients = recipients
    }
}

package struct StoredDelivery: Hashable, Sendable {
    package var id: DeliveryID
    package var message: MessageRecord
    package var destination: Int64?
    package var domain: String
    package var recipients: [StoredRecipient]
    package var state: StoredState
    package var attempts: Int
    package var nextAttemptAt: UnixTime
    package var purgeAt: UnixTime?
    package var lastReply: String
    /// The rule that said what to make of that reply; empty: none did.
    package var lastRule: String
    /// The sender has been told that it is late.
    package var isWarned: Bool
    /// False where the disk has changed its envelope: nobody is to get it, and no report of it.
    package var isAsWritten: Bool

    package init(
        id: DeliveryID, message: MessageRecord, destination: Int64?, domain: String,
        recipients: [StoredRecipient], state: StoredState, attempts: Int, nextAttemptAt: UnixTime,
        purgeAt: UnixTime?, lastReply: String, lastRule: String = "", isWarned: Bool = false,
        isAsWritten: Bool = true
    ) {
        self.isAsWritten = isAsWritten
        self.lastRule = lastRule
        self.isWarned = isWarned
        self.id = id
        self.message = message
        self.destination = destination
        self.domain = domain
        self.recipients = recipients
        self.state = state
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.purgeAt = purgeAt
        self.lastReply = lastReply
    }
}

package struct DeliveryQuery: Sendable {
    /// nil: all.
    package var filter: FilterExpression?
    /// A field of the filter language, ascending unless `descending`; nil: oldest first.
    package var sort: String?
    package var descending: Bool
    package var limit: Int
    package var offset: Int
    /// The page is to have this delivery in its middle, if it is among those that match; then
    /// `offset` is not looked at.
    package var around: DeliveryID?
    /// The present time, for ages.
    package var now: UnixTime
    /// For fields that live outside the spool (a destination's worker, state, …): the ids of the
    /// destinations for which the comparison holds. It is asked without negation: for `!=` and
    /// `!~` it gets `=` and `~`, and deliveries without a destination match the negation.
    package var destinationsMatching: @Sendable (FilterComparison) -> [Int64]
    /// The deliveries of which a transaction runs now: state `delivering`.
    package var running: @Sendable () -> [DeliveryID]

    package init(
        filter: FilterExpression?, sort: String? = nil, descending: Bool = false,
        limit: Int = 100, offset: Int = 0, around: DeliveryID? = nil, now: UnixTime,
        destinationsMatching: @escaping @Sendable (FilterComparison) -> [Int64] = { _ in [] },
        running: @escaping @Sendable () -> [DeliveryID] = { [] }
    ) {
        self.filter = filter
        self.sort = sort
        self.descending = descending
        self.limit = limit
        self.offset = offset
        self.around = around
        self.now = now
        self.destinationsMatching = destinationsMatching
        self.running = running
    }

    /// Where the page begins, with the place of `around` in the order.
    package func offset(place: Int?) -> Int {
        place.map { max(0, $0 - max(0, limit) / 2) } ?? max(0, offset)
    }
}

package struct DeliveryPage: Sendable {
    package var total: Int
    /// The place of the first row in the whole order.
    package var offset: Int
    package var rows: [StoredDelivery]

    package init(total: Int, offset: Int, rows: [StoredDelivery]) {
        self.total = total
        self.offset = offset
        self.rows = rows
    }
}

package struct DestinationTally: Hashable, Sendable {
    /// nil: those not routed yet.
    package var destination: Int64?
    package var state: StoredState
    package var count: Int
    package var oldestAt: UnixTime

    package init(destination: Int64?, state: StoredState, count: Int, oldestAt: UnixTime) {
        self.destination = destination
        self.state = state
        self.count = count
        self.oldestAt = oldestAt
    }
}

package struct DestinationRecord: Hashable, Sendable {
    package var id: Int64
    /// The canonical text whose CRC-32 is the ring key: what it is.
    package var identity: String
    package var name: String
    /// The domains that were routed here, best known first, at most 20.
    package var domains: [String]
    /// The pinned worker, set by an operator.
    package var pin: Int?
    package var pausedBy: String?
    package var pausedUntil: UnixTime?
    package var pauseReason: String
    /// Window, tokens, breaker as the last owner left them (`DestinationSnapshot`, encoded).
    package var scheduler: [UInt8]

    package init(
        id: Int64, identity: String, name: String, domains: [String], pin: Int? = nil,
        pausedBy: String? = nil, pausedUntil: UnixTime? = nil, pauseReason: String = "",
        scheduler: [UInt8] = []
    ) {
        self.id = id
        self.identity = identity
        self.name = name
        self.domains = domains
        self.pin = pin
        self.pausedBy = pausedBy
        self.pausedUntil = pausedUntil
        self.pauseReason = pauseReason
        self.scheduler = scheduler
    }
}

package struct ActionRecord: Hashable, Sendable {
    package var id: Int64
    /// `ActionKind`'s raw value.
    package var kind: String
    package var at: UnixTime
    package var by: String
    package var reason: String
    package var target: String
    /// `ActionState`'s raw value.
    package var state: String
    package var undoUntil: UnixTime?
    package var result: String
    /// Counts and what undo needs, encoded by the manager.
    package var details: [UInt8]

    package init(
        id: Int64, kind: String, at: UnixTime, by: String, reason: String, target: String,
        state: String, undoUntil: UnixTime?, result: String, details: [UInt8]
    ) {
        self.id = id
        self.kind = kind
        self.at = at
        self.by = by
        self.reason = reason
        self.target = target
        self.state = state
        self.undoUntil = undoUntil
        self.result = result
        self.details = details
    }
}
