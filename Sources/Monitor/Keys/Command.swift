import Control
package import Terminal

/// Everything that a key does. The one table from which keys, footer, help, palette, manual and
/// tests come; no key is looked at outside of it but in what is being typed.
package struct Command: Sendable {
    package enum ID: String, CaseIterable, Hashable, Sendable {
        case help, commands, quit, cancel, redraw
        case up, down, pageUp, pageDown, first, last, open
        case filter, sort, invert, freeze, theme, columns, views
        case tag, tagRange, tagAll, untag
        case retry, hold, release, pause, resume, reassign, bounce, purge, undo
        case showDestinations, showDestination, showQueue, showMessage, showBackoff, showAges
        case showWorkers, showEvents, showTrace, showActions, showNodes
        case left, right, body, save, addWorker, removeWorker, drainWorker, undrainWorker
        case back, forward, minuteBack, minuteForward, time, slower, faster
    }

    package enum Group: String, CaseIterable, Sendable {
        case act = "Act"
        case look = "Look"
        case time = "Time"
        case pages = "Pages"
        case move = "Move"
        case general = "General"
    }

    package enum Availability: Hashable, Sendable {
        case yes
        /// Not now, and why.
        case no(Label)
        /// It means nothing on this page.
        case elsewhere(Label)

        /// Why not; nil if it can be done.
        package var reason: Label? {
            switch self {
            case .yes: nil
            case .no(let reason), .elsewhere(let reason): reason
            }
        }
    }

    package let id: ID
    /// Unless the operator's file says otherwise; the first is the one that is shown.
    package let keys: [Key]
    /// One word or two, for the footer.
    package let title: Label
    /// A line, for help.
    package let help: Label
    package let group: Group
    /// Changes what the daemon does, or chooses for what: not for `--read-only` nor for a peer
    /// without the right.
    package let operates: Bool
    /// Destroys something, once its time to undo it is over.
    package let isDangerous: Bool
    /// In the footer only while it can be done.
    package let isQuiet: Bool
    /// Rank in the footer, where what only some pages have goes first; nil: not there.
    package let rank: Int?
    package let availability: @Sendable (Model) -> Availability

    private init(
        _ id: ID, _ keys: [Key], _ title: Label, _ help: Label, _ group: Group,
        operates: Bool = false, dangerous: Bool = false, quiet: Bool = false, rank: Int? = nil,
        availability: @escaping @Sendable (Model) -> Availability = { _ in .yes }
    ) {
        self.id = id
        self.keys = keys
        self.title = title
        self.help = help
        self.group = group
        self.operates = operates
        isDangerous = dangerous
        isQuiet = quiet
        self.rank = rank
        self.availability = { model in
            if operates, let reason = model.mayNotOperate { return .no(reason) }
            return availability(model)
        }
    }

    package static let all: [Command] = [
        Command(
            .retry, ["F"], "retry", "retry now: make waiting mail due; limits still hold", .act,
            operates: true, rank: 20, availability: needsTarget),
        Command(
            .pause, ["P"], "pause", "keep a destination back, for a time or until resumed", .act,
            operates: true, rank: 40, availability: needsDestination),
        Command(
            .resume, ["C"], "resume", "let a paused destination go on", .act, operates: true,
            quiet: true, rank: 50, availability: needsPaused),
        Command(
            .reassign, ["R"], "reassign", "move a destination to another worker", .act,
            operates: true, rank: 60,
            availability: {
                if $0.page.kind == .workers {
                    guard let worker = $0.worker else { return .no("choose a worker first") }
                    return worker.destinations > 0 ? .yes : .no("it has no destination with mail")
                }
                let needed = needsDestination($0)
                if needed != .yes { return needed }
                return $0.status?.workers.isEmpty == false ? .yes : .no("no worker is known yet")
            }),
        Command(
            .hold, ["H"], "hold", "keep queued mail back until it is released", .act,
            operates: true, rank: 130, availability: needsTarget),
        Command(
            .release, ["L"], "release", "let held mail go on", .act, operates: true, quiet: true,
            rank: 120, availability: needsHeld),
        Command(
            .bounce, ["B"], "bounce",
            "give mail up and tell its senders, after a time to undo it",
            .act, operates: true, dangerous: true, rank: 140, availability: needsTarget),
        Command(
            .purge, ["D"], "purge", "delete queued mail, after a time to undo it", .act,
            operates: true, dangerous: true, rank: 30, availability: needsTarget),
        Command(
            .undo, ["u"], "undo", "undo the last action, while that is possible", .act,
            operates: true, quiet: true, rank: 80,
            availability: {
                $0.undoing != nil
                    ? .no("the undo is under way")
                    : $0.undoSeconds != nil || $0.page.undoable(in: $0) != nil
                        ? .yes : .no("there is nothing to undo")
            }),
        Command(
            .addWorker, ["+"], "add worker", "start one more worker", .act, operates: true,
            rank: 31, availability: onWorkers),
        Command(
            .removeWorker, ["-"], "remove worker", "let the last worker end", .act,
            operates: true, rank: 32,
            availability: {
                let here = onWorkers($0)
                if here != .yes { return here }
                let row = $0.worker ?? $0.status?.workers.first
                return $0.workers(host: row?.host, node: row?.node).count > 1
                    ? .yes : .no("the only worker stays")
            }),
        Command(
            .drainWorker, ["d"], "drain worker",
            "let the worker hand over all it has, and give it nothing new", .act, operates: true,
            rank: 41,
            availability: { model in
                let here = onWorkers(model)
                if here != .yes { return here }
                guard let worker = model.worker else { return .no("choose a worker first") }
                if worker.drainedBy != nil { return .no("it is drained already") }
                let own = model.workers(host: worker.host, node: worker.node)
                let others = own.contains {
                    $0.id != worker.id && $0.drainedBy == nil && $0.state != .draining
                }
                return others ? .yes : .no("no other worker takes mail")
            }),
        Command(
            .undrainWorker, ["e"], "end drain", "let a drained worker take its share again", .act,
            operates: true, quiet: true, rank: 42,
            availability: { model in
                let here = onWorkers(model)
                if here != .yes { return here }
                guard let worker = model.worker else { return .no("choose a worker first") }
                return worker.drainedBy == nil ? .no("it is not drained") : .yes
            }),
        Command(
            .tag, [" "], "tag", "tag the row; actions are then about all tagged rows", .act,
            operates: true,
            rank: 150, availability: tags),
        Command(
            .tagRange, ["v"], "range",
            "tag the rows from here to where the cursor goes next; the screen stands still", .act,
            operates: true,
            availability: tags),
        Command(
            .tagAll, ["A"], "all", "make actions about all rows that match the filter", .act,
            operates: true,
            availability: choosesAll),
        Command(
            .untag, ["U"], "untag", "clear all tags", .act, operates: true, quiet: true,
            availability: {
                $0.tags.isEmpty && $0.matching == nil ? .no("nothing is tagged") : .yes
            }),

        Command(
            .open, [.enter], "more", "go into what is under the cursor", .look, rank: 90,
            availability: opens),
        Command(
            .filter, ["/"], "filter", "show some only: state = backoff and age > 1h", .look,
            rank: 70, availability: filters),
        Command(
            .sort, ["S"], "sort", "choose what the rows are sorted by", .look, rank: 100,
            availability: sorts),
        Command(.invert, ["I"], "invert", "turn the order round", .look, availability: sorts),
        Command(
            .columns, ["c"], "columns", "choose the columns of the table, and their order", .look,
            rank: 180,
            availability: {
                $0.page.chosenTable == nil
                    ? .elsewhere("the columns of this page cannot be chosen") : .yes
            }),
        Command(
            .views, ["V"], "views", "saved filters: show one, save the present one, delete", .look,
            rank: 170),
        Command(
            .freeze, ["z"], "freeze", "stop the screen, or let it go on", .look, rank: 110),
        Command(
            .theme, [], "theme", "choose how the screen looks, and see it", .look,
            availability: { $0.options.themes.isEmpty ? .no("no theme was found") : .yes }),

        Command(
            .back, ["["], "back", "one recorded moment back: the last hour is kept", .time,
            rank: 400, availability: hasPast),
        Command(
            .forward, ["]"], "forward", "one recorded moment forward; behind the last is now",
            .time, quiet: true, rank: 410, availability: inPast),
        Command(
            .minuteBack, ["{"], "minute back", "a minute back", .time, availability: hasPast),
        Command(
            .minuteForward, ["}"], "minute forward", "a minute forward", .time,
            availability: inPast),
        Command(
            .time, ["t"], "time", "to a time: 14:05, 14:05:30, or -10m before the last moment",
            .time, quiet: true, rank: 420, availability: hasPast),
        Command(
            .slower, ["<"], "slower", "play the past at half the speed", .time,
            availability: inPast),
        Command(
            .faster, [">"], "faster", "play the past at twice the speed; z plays and stops",
            .time, availability: inPast),

        page(.showDestinations, .destinations, "all destinations"),
        page(.showDestination, .destination, "all about the destination under the cursor"),
        page(.showQueue, .queue, "the messages in the queue"),
        page(.showMessage, .message, "all about the message under the cursor"),
        page(.showBackoff, .backoff, "when what waits goes, and which breakers probe next"),
        page(.showAges, .ages, "how old what is queued is, by destination"),
        page(.showWorkers, .workers, "the workers, and what each has"),
        page(.showEvents, .events, "what happens, as it happens"),
        page(.showTrace, .trace, "the SMTP dialogue with the destination, live"),
        page(.showActions, .actions, "what operators did, and how to undo it"),
        page(.showNodes, .nodes, "the nodes that share the queue, and what each has"),

        Command(
            .save, ["s"], "save", "write what the page has kept into a file", .look, rank: 51,
            availability: { model in
                if model.page.kind != .trace { return .elsewhere("only a trace can be saved") }
                return model.page.saved(in: model) == nil ? .no("there is nothing to save") : .yes
            }),
        Command(
            .body, ["b"], "body", "show what a message says, or hide it", .look, rank: 52,
            availability: { model in
                switch model.page.kind {
                case .message:
                    return model.past == nil ? .yes : .no("what messages say is not recorded")
                // The daemon tells a reader nothing of it either.
                case .trace: return model.mayNotOperate.map(Availability.no) ?? .yes
                default: return .elsewhere("only messages and traces have something to say")
                }
            }),

        Command(
            .left, ["h", .left], "left", "one column to the left", .move, availability: sideways),
        Command(
            .right, ["l", .right], "right", "one column to the right", .move,
            availability: sideways),
        Command(.down, ["j", .down], "down", "one row down", .move),
        Command(.up, ["k", .up], "up", "one row up", .move),
        Command(.pageDown, [.pageDown, .control("f")], "page down", "one screen down", .move),
        Command(.pageUp, [.pageUp, .control("b")], "page up", "one screen up", .move),
        Command(.first, ["g", .home], "first", "to the first row", .move),
        Command(.last, ["G", .end], "last", "to the last row", .move),

        Command(.help, ["?", .function(1)], "help", "what the keys do", .general, rank: 10),
        Command(
            .commands, [":"], "commands", "all that can be done, by name", .general, rank: 160),
        Command(
            .quit, ["q"], "quit", "back to the page below; quits at the last", .general, rank: 0),
        Command(
            .cancel, [.escape], "cancel",
            "close what is open, clear the tags, the filter, go back; never quits", .general),
        Command(.redraw, [.control("l")], "redraw", "draw the screen anew", .general),
    ]

    /// `Enter` and `Tab` are its keys then.
    var opensPreview: Bool {
        switch id {
        case .tag, .tagRange, .tagAll, .untag: false
        default: operates
        }
    }

    /// Whether there is such a thing with this daemon at all.
    func isOffered(_ model: Model) -> Bool { id != .showNodes || !model.nodes.isEmpty }

    package static func with(_ id: ID) -> Command? { all.first { $0.id == id } }

    private static func page(_ id: ID, _ kind: PageKind, _ help: Label) -> Command {
        Command(
            id, [.character(kind.key)], kind.title, help, .pages,
            availability: { $0.obstacle(to: kind).map(Availability.no) ?? .yes })
    }

    // MARK: Conditions

    private static let needsTarget: @Sendable (Model) -> Availability = { model in
        if !model.page.hasMail { return .elsewhere(model.page.noTarget) }
        return model.targets.isEmpty && model.matching == nil ? .no(model.page.noTarget) : .yes
    }

    private static let needsDestination: @Sendable (Model) -> Availability = { model in
        if !model.page.hasMail { return .elsewhere(model.page.noTarget) }
        if let matching = model.matching {
            return matching.kind == .destination
                ? .yes : .no("what is chosen are messages: this is for destinations")
        }
        if !model.destinationTargets.isEmpty { return .yes }
        return .no(
            model.tags.isEmpty
                ? model.page.noTarget : "what is tagged are messages: this is for destinations")
    }

    private static let needsPaused: @Sendable (Model) -> Availability = { model in
        let needed = needsDestination(model)
        if needed != .yes || model.hasChosen { return needed }
        if model.current != nil { return model.isPaused ? .yes : .no("it is not paused") }
        // Of a delivery's destination its reasons tell, unless it is on its way.
        guard let message = model.page.message, message.state != .delivering else { return needed }
        return message.waits.contains { $0.kind == "paused" } ? .yes : .no("it is not paused")
    }

    private static let needsHeld: @Sendable (Model) -> Availability = { model in
        let needed = needsTarget(model)
        guard needed == .yes, !model.hasChosen else { return needed }
        if let message = model.page.message {
            return message.state == .held ? .yes : .no("it is not held")
        }
        return model.current?.held == 0 ? .no("none of its mail is held") : .yes
    }

    private static let onWorkers: @Sendable (Model) -> Availability = { model in
        model.page.kind == .workers ? .yes : .elsewhere("only on the page of workers")
    }

    private static let hasPast: @Sendable (Model) -> Availability = { model in
        model.receivedAt == nil ? .no("nothing has been recorded yet") : .yes
    }

    private static let inPast: @Sendable (Model) -> Availability = { model in
        model.past == nil ? .no("this is the present") : .yes
    }

    private static let sideways: @Sendable (Model) -> Availability = { model in
        model.page.movesSideways
            ? .yes : .elsewhere("there is nothing to the side on this page")
    }

    private static let needsRow: @Sendable (Model) -> Availability = { model in
        model.page.target == nil ? .no(model.page.noTarget) : .yes
    }

    private static let opens: @Sendable (Model) -> Availability = { model in
        if model.page.opened(in: model) != nil { return .yes }
        if !model.page.hasRows { return .elsewhere("there is nothing to go into on this page") }
        return .no(model.page.target == nil ? model.page.noTarget : "there is no more to it")
    }

    private static let tags: @Sendable (Model) -> Availability = { model in
        model.page.hasRows ? needsRow(model) : .elsewhere("there are no rows to tag on this page")
    }

    private static let choosesAll: @Sendable (Model) -> Availability = { model in
        if model.page.rowKind == nil {
            return .elsewhere("there are no rows to choose on this page")
        }
        return model.page.position(in: model)?.total ?? 0 > 0 ? .yes : .no(model.page.noTarget)
    }

    private static let filters: @Sendable (Model) -> Availability = { model in
        model.page.fields == nil ? .elsewhere("there is nothing to filter on this page") : .yes
    }

    private static let sorts: @Sendable (Model) -> Availability = { model in
        model.page.sorts.isEmpty ? .elsewhere("there is nothing to sort on this page") : .yes
    }
}

extension Model {
    /// The worker under the cursor.
    var worker: WorkerRow? { (page as? WorkersPage)?.list.current }

    /// Actions are about more than the row under the cursor.
    var hasChosen: Bool { !tags.isEmpty || matching != nil }

    /// Why no action is allowed at all; nil if they are.
    package var mayNotOperate: Label? {
        if past != nil { return "this is the past: nothing can be done there" }
        if options.readOnly { return "read only: started with --read-only" }
        guard let status else { return "the daemon has not answered yet" }
        if status.mayOperate { return nil }
        return status.mayNotOperateBecause.map { "not allowed: \(safe($0))" }
            ?? "not allowed: this user may look, not act"
    }
}

extension Key: ExpressibleByExtendedGraphemeClusterLiteral {
    package init(extendedGraphemeClusterLiteral value: Character) {
        self = .character(value)
    }
}
