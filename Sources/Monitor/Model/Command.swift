import Control
package import Terminal

/// Everything that a key does. The one table from which keys, footer, help and tests come.
package struct Command: Sendable {
    package enum ID: String, CaseIterable, Hashable, Sendable {
        case help, quit, cancel, redraw
        case up, down, pageUp, pageDown, first, last, open
        case filter, sort, invert, freeze
        case tag, untag
        case retry, purge, pause, reassign, undo
        case showDestinations, showDestination, showQueue, showMessage
    }

    package enum Group: String, CaseIterable, Sendable {
        case act = "Act"
        case look = "Look"
        case pages = "Pages"
        case move = "Move"
        case general = "General"
    }

    package enum Availability: Hashable, Sendable {
        case yes
        case no(Label)
    }

    package let id: ID
    package let keys: [Key]
    /// How the keys are written in help: all of them; the first alone stands in the footer.
    package let keyNames: [Label]
    /// One word or two, for the footer.
    package let title: Label
    /// A line, for help.
    package let help: Label
    package let group: Group
    /// Changes what the daemon does: not for `--read-only` nor for a peer without the right.
    package let operates: Bool
    /// Rank in the footer; nil: not there.
    package let rank: Int?
    package let availability: @Sendable (Model) -> Availability

    private init(
        _ id: ID, _ keys: [Key], _ keyNames: [Label], _ title: Label, _ help: Label,
        _ group: Group, operates: Bool = false, rank: Int? = nil,
        availability: @escaping @Sendable (Model) -> Availability = { _ in .yes }
    ) {
        self.id = id
        self.keys = keys
        self.keyNames = keyNames
        self.title = title
        self.help = help
        self.group = group
        self.operates = operates
        self.rank = rank
        self.availability = { model in
            if operates, let reason = model.mayNotOperate { return .no(reason) }
            return availability(model)
        }
    }

    package static let all: [Command] = [
        Command(
            .retry, ["F"], ["F"], "retry", "retry now: make waiting mail due; limits still hold",
            .act, operates: true, rank: 2, availability: needsTarget),
        Command(
            .purge, ["D"], ["D"], "purge", "delete queued mail, after a time to undo it", .act,
            operates: true, rank: 3, availability: needsTarget),
        Command(
            .pause, ["P"], ["P"], "pause", "keep a destination back, or let it go on", .act,
            operates: true, rank: 4, availability: needsDestination),
        Command(
            .reassign, ["R"], ["R"], "reassign", "move a destination to another worker", .act,
            operates: true, rank: 5,
            availability: {
                needsDestination($0) != .yes
                    ? needsDestination($0)
                    : $0.status?.workers.isEmpty == false ? .yes : .no("no worker is known yet")
            }),
        Command(
            .undo, ["u"], ["u"], "undo", "undo the last action, while that is possible", .act,
            operates: true, rank: 7,
            availability: {
                $0.isUndoing
                    ? .no("the undo is under way")
                    : $0.undoSeconds != nil ? .yes : .no("there is nothing to undo")
            }),
        Command(
            .tag, [.character(" ")], ["Space"], "tag",
            "tag the row; actions are then about all tagged rows", .act, rank: 11,
            availability: tags),
        Command(
            .untag, ["U"], ["U"], "untag", "clear all tags", .act,
            availability: { $0.tags.isEmpty ? .no("nothing is tagged") : .yes }),

        Command(
            .open, [.enter], ["Enter"], "more", "go into what is under the cursor", .look, rank: 8,
            availability: opens),
        Command(
            .filter, ["/"], ["/"], "filter",
            "show some only: state = backoff and age > 1h", .look, rank: 6,
            availability: filters),
        Command(
            .sort, ["S"], ["S"], "sort", "choose what the rows are sorted by", .look, rank: 9,
            availability: sorts),
        Command(
            .invert, ["I"], ["I"], "invert", "turn the order round", .look,
            availability: sorts),
        Command(
            .freeze, ["z"], ["z"], "freeze", "stop the screen, or let it go on", .look, rank: 10),

        page(.showDestinations, .destinations, "all destinations"),
        page(.showDestination, .destination, "all about the destination under the cursor"),
        page(.showQueue, .queue, "the messages in the queue"),
        page(.showMessage, .message, "all about the message under the cursor"),

        Command(.down, ["j", .down], ["j", "Down"], "down", "one row down", .move),
        Command(.up, ["k", .up], ["k", "Up"], "up", "one row up", .move),
        Command(
            .pageDown, [.pageDown, .control("f")], ["PgDn", "^F"], "page down",
            "one screen down", .move),
        Command(
            .pageUp, [.pageUp, .control("b")], ["PgUp", "^B"], "page up", "one screen up", .move),
        Command(.first, ["g", .home], ["g", "Home"], "first", "to the first row", .move),
        Command(.last, ["G", .end], ["G", "End"], "last", "to the last row", .move),

        Command(
            .help, ["?", .function(1)], ["?", "F1"], "help", "this page", .general, rank: 1),
        Command(
            .quit, ["q"], ["q"], "quit", "back to the page below; quits at the last", .general,
            rank: 0),
        Command(
            .cancel, [.escape], ["Esc"], "cancel",
            "close what is open, clear the tags, the filter, go back; never quits", .general),
        Command(
            .redraw, [.control("l")], ["^L"], "redraw", "draw the screen anew", .general),
    ]

    package static func with(_ id: ID) -> Command? { all.first { $0.id == id } }

    static func bound(to key: Key) -> Command? { all.first { $0.keys.contains(key) } }

    private static func page(_ id: ID, _ kind: PageKind, _ help: Label) -> Command {
        Command(
            id, [.character(kind.key)], [safe(String(kind.key))], kind.title, help, .pages,
            availability: { $0.obstacle(to: kind).map(Availability.no) ?? .yes })
    }

    // MARK: Conditions

    private static let needsTarget: @Sendable (Model) -> Availability = { model in
        model.targets.isEmpty ? .no(model.page.noTarget) : .yes
    }

    private static let needsDestination: @Sendable (Model) -> Availability = { model in
        if !model.destinationTargets.isEmpty { return .yes }
        return .no(
            model.tags.isEmpty
                ? model.page.noTarget : "what is tagged are messages: this is for destinations")
    }

    private static let needsRow: @Sendable (Model) -> Availability = { model in
        model.page.target == nil ? .no(model.page.noTarget) : .yes
    }

    private static let opens: @Sendable (Model) -> Availability = { model in
        if model.page.opened(in: model) != nil { return .yes }
        return .no(model.page.target == nil ? model.page.noTarget : "there is no more to it")
    }

    private static let tags: @Sendable (Model) -> Availability = { model in
        model.page.hasRows ? needsRow(model) : .no("there are no rows to tag on this page")
    }

    private static let filters: @Sendable (Model) -> Availability = { model in
        model.page.fields == nil ? .no("there is nothing to filter on this page") : .yes
    }

    private static let sorts: @Sendable (Model) -> Availability = { model in
        model.page.sorts.isEmpty ? .no("there is nothing to sort on this page") : .yes
    }
}

extension Model {
    /// Why no action is allowed at all; nil if they are.
    package var mayNotOperate: Label? {
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
