/// What something on the screen means; a theme says how that looks.
package enum Role: String, CaseIterable, Hashable, Sendable {
    // Surfaces: what other things are drawn on.
    case text
    case bar
    case heading
    case selection
    case dialog
    case field
    case button
    case buttonFocused = "button-focused"
    case dangerFocused = "danger-focused"

    // Text of general use.
    case dim
    case strong
    case title
    case headingSorted = "heading-sorted"
    case good
    case warning
    case bad
    case tag
    case key
    case disabled
    case placeholder
    case dialogTitle = "dialog-title"
    /// Data that is older than it should be.
    case stale

    // What a destination does.
    case paused
    case backoff
    case probing
    case waiting
    case delivering
    case scheduled
    case idle

    // A dialogue, and how much is where.
    case sent
    case received
    case heatLow = "heat-low"
    case heatMid = "heat-mid"
    case heatHigh = "heat-high"

    // Pictures.
    case gauge
    case gaugeRoom = "gauge-room"
    case gaugeClosed = "gauge-closed"
    case tokens
    case tokensLow = "tokens-low"
    case spark
    case border

    /// What a destination can be doing: these are told apart at a glance.
    package static let states: [Role] = [
        .paused, .backoff, .probing, .waiting, .delivering, .scheduled, .idle,
    ]

    package enum Kind: Sendable {
        case surface
        /// Read: at least the theme's contrast against each of `grounds`.
        case text
        /// Seen rather than read: at least 3:1 (WCAG 2.2, 1.4.11).
        case picture
        case decoration
    }

    package var kind: Kind {
        switch self {
        case .text, .bar, .heading, .selection, .dialog, .field, .button, .buttonFocused,
            .dangerFocused:
            .surface
        case .gauge, .gaugeRoom, .tokens, .tokensLow, .spark: .picture
        // WCAG exempts what is disabled.
        case .gaugeClosed, .border, .disabled: .decoration
        default: .text
        }
    }

    /// The surfaces on which it is drawn.
    package var grounds: [Role] {
        switch self {
        case .text, .bar, .heading, .selection, .dialog, .field, .button, .buttonFocused,
            .dangerFocused:
            [self]
        case .title: [.bar]
        case .headingSorted: [.heading]
        case .dialogTitle: [.dialog]
        case .placeholder: [.field]
        case .dim, .good, .warning, .bad: [.text, .bar, .selection, .dialog]
        case .strong: [.text, .bar, .selection, .dialog]
        case .key, .disabled: [.text, .dialog]
        case .tag, .stale, .paused, .backoff, .probing, .waiting, .delivering, .scheduled, .idle,
            .sent, .received, .heatLow, .heatMid, .heatHigh, .gauge, .gaugeRoom, .gaugeClosed,
            .tokens, .tokensLow, .spark:
            [.text, .selection]
        case .border: [.text, .dialog]
        }
    }
}
