package import Terminal

/// How each role looks, at each depth of colour.
package struct Theme: Sendable {
    package enum Variant: String, CaseIterable, Sendable { case dark, light, any }

    package let name: String
    package let variant: Variant
    /// The least contrast of text that the theme promises; nil where the user's palette decides.
    package let contrast: Double?

    private let inks: [ColorDepth: [Role: Ink]]
    /// Where in its file each role stands.
    let lines: [Role: Int]

    init(
        name: String, variant: Variant, contrast: Double?, inks: [ColorDepth: [Role: Ink]],
        lines: [Role: Int] = [:]
    ) {
        self.name = name
        self.variant = variant
        self.contrast = contrast
        self.inks = inks
        self.lines = lines
    }

    package func ink(_ role: Role, _ depth: ColorDepth) -> Ink {
        inks[depth]?[role] ?? .none
    }

    /// The built-in one.
    package static let standard: Theme = {
        guard let theme = try? Theme(text: defaultText, file: ThemeFinder.defaultName + ".toml")
        else { preconditionFailure("the built-in theme has an error") }
        return theme
    }()

    /// Those that it gives a look at a depth.
    func roles(_ depth: ColorDepth) -> Set<Role> { Set((inks[depth] ?? [:]).keys) }

    /// The style of an empty screen.
    package func ground(_ depth: ColorDepth) -> Style { ink(.text, depth).over(Style()) }
}

/// Everything that draws needs besides what is drawn.
package struct Look: Sendable {
    package var theme: Theme
    package var capabilities: Capabilities

    package init(theme: Theme, capabilities: Capabilities) {
        self.theme = theme
        self.capabilities = capabilities
    }

    var glyphs: Glyphs { capabilities.unicode ? .unicode : .ascii }

    func ink(_ role: Role) -> Ink { theme.ink(role, capabilities.depth) }
}
