import Control
import Terminal

/// The characters that pictures are made of, for UTF-8 and for locales that have ASCII only.
///
/// Circles flow, triangles are trouble, squares are an operator's doing; no shape stands for two
/// things, so that none needs its colour.
struct Glyphs: Sendable {
    let paused, backoff, probing, waiting, delivering, scheduled, idle: Label
    /// Deliveries: DNS is asked, and about to be destroyed.
    let routing, purging: Label
    /// Workers.
    let up, starting, silent, draining, dead: Label
    /// Busy, open and closed parts of a window.
    let full, room, closed: Label
    /// From an eighth to a whole, left to right.
    let bars: [Label]
    /// From nothing to a whole, bottom to top.
    let sparks: [Label]
    let cursor, tag: Label
    let ascending, descending: Label
    let separator, dash, into, bullet: Label
    let live, lost, frozen: Label
    let horizontal, vertical, upperLeft, upperRight, lowerLeft, lowerRight: Label

    static let unicode = Glyphs(
        paused: "■", backoff: "▲", probing: "△", waiting: "◐", delivering: "●", scheduled: "○",
        idle: "·", routing: "◇", purging: "✗",
        up: "●", starting: "◐", silent: "△", draining: "◌", dead: "▲",
        full: "▮", room: "▯", closed: "·",
        bars: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
        sparks: ["▁", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        cursor: "▌", tag: "✓",
        ascending: "↑", descending: "↓",
        separator: "·", dash: "–", into: "›", bullet: "•",
        live: "●", lost: "▲", frozen: "■",
        horizontal: "─", vertical: "│", upperLeft: "╭", upperRight: "╮", lowerLeft: "╰",
        lowerRight: "╯")

    static let ascii = Glyphs(
        paused: "=", backoff: "!", probing: "?", waiting: "~", delivering: ">", scheduled: "o",
        idle: ".", routing: "%", purging: "x",
        up: "+", starting: "~", silent: "?", draining: "-", dead: "!",
        full: "#", room: "-", closed: ".",
        bars: [".", ".", ".", "-", "-", "-", "=", "#"],
        sparks: ["_", "_", ".", ".", "-", "-", "=", "=", "#"],
        cursor: ">", tag: "+",
        ascending: "^", descending: "v",
        separator: "-", dash: "-", into: ">", bullet: "*",
        live: "+", lost: "!", frozen: "=",
        horizontal: "-", vertical: "|", upperLeft: "+", upperRight: "+", lowerLeft: "+",
        lowerRight: "+")

    func glyph(_ state: DestinationState) -> Label {
        switch state {
        case .paused: paused
        case .backoff: backoff
        case .probing: probing
        case .waiting: waiting
        case .delivering: delivering
        case .scheduled: scheduled
        case .idle: idle
        }
    }

    func glyph(_ state: DeliveryState) -> Label {
        switch state {
        case .routing: routing
        case .ready: waiting
        case .delivering: delivering
        case .delayed: scheduled
        case .held: paused
        case .purging: purging
        }
    }

    func glyph(_ state: WorkerState) -> Label {
        switch state {
        case .starting: starting
        case .running: up
        case .silent: silent
        case .draining: draining
        case .dead: dead
        }
    }
}

extension DestinationState {
    var role: Role {
        switch self {
        case .paused: .paused
        case .backoff: .backoff
        case .probing: .probing
        case .waiting: .waiting
        case .delivering: .delivering
        case .scheduled: .scheduled
        case .idle: .idle
        }
    }

    /// For the word beside the glyph: what goes well is said without colour.
    var wordRole: Role? {
        switch self {
        case .paused, .backoff, .probing, .waiting: role
        case .delivering, .scheduled: nil
        case .idle: .dim
        }
    }

    /// The word of the API and of filters.
    var word: Label { safe(rawValue) }
}

extension DeliveryState {
    var role: Role {
        switch self {
        case .routing, .delayed: .scheduled
        case .ready: .waiting
        case .delivering: .delivering
        case .held: .paused
        case .purging: .bad
        }
    }

    /// The word of the API and of filters.
    var word: Label { safe(rawValue) }
}

extension WorkerState {
    var role: Role {
        switch self {
        case .running: .good
        case .starting, .draining: .warning
        case .silent: .warning
        case .dead: .bad
        }
    }

    var word: Label { safe(rawValue) }
}
