package import Settings
import Terminal

/// A theme as a file of TOML:
///
///     [meta]
///     name = "dusk"
///     variant = "dark"             # dark, light, any
///     contrast = 4.5               # least contrast of text; left out: the user's palette decides
///     [palette]
///     red = "#ff8787"
///     [roles]
///     backoff = { fg = "red", attrs = ["bold"], ansi16 = "bold red", mono = "bold" }
///
/// `fg` and `bg` are names of the palette, else one of the sixteen (`red`, `bright-red`),
/// `#rrggbb` or `default`; left out, what is below shows through. `ansi16` is attributes and colours,
/// `bold white on blue`; `mono` is attributes. Both are mandatory, as is every role: a screen
/// without colours is designed, not left over.
extension Theme {
    /// Throws everything that is wrong with it, by line.
    package init(text: String, file: String) throws(SettingsError) {
        var parser = ThemeParser(file: file)
        let theme = parser.parse(try TOMLDocument(text: text, file: file))
        guard let theme, parser.problems.isEmpty else {
            throw SettingsError(problems: parser.problems.sorted { $0.line ?? 0 < $1.line ?? 0 })
        }
        self = theme
    }
}

private struct ThemeParser {
    let file: String
    var problems: [SettingsError.Problem] = []
    private var palette: [String: Color] = [:]
    private var lines: [Role: Int] = [:]

    init(file: String) {
        self.file = file
    }

    mutating func parse(_ document: TOMLDocument) -> Theme? {
        let sections = known(document.root, at: "", ["meta", "palette", "roles"])
        let meta = parseMeta(sections["meta"], document.root)
        if let node = sections["palette"] { parsePalette(node) }
        let inks = parseRoles(sections["roles"], document.root)
        guard let meta else { return nil }
        return Theme(
            name: meta.name, variant: meta.variant, contrast: meta.contrast, inks: inks,
            lines: lines)
    }

    // MARK: Sections

    private mutating func parseMeta(
        _ node: TOMLNode?, _ root: TOMLNode
    ) -> (name: String, variant: Theme.Variant, contrast: Double?)? {
        guard let node else {
            report(root, "meta", "missing: a theme has a name and a variant")
            return nil
        }
        let values = known(node, at: "meta", ["name", "variant", "contrast"])
        let name = values["name"].flatMap { string($0, "meta.name") }
        if values["name"] == nil { report(node, "meta.name", "missing") }
        let variants = Theme.Variant.allCases.map(\.rawValue).joined(separator: ", ")
        var variant: Theme.Variant?
        if let given = values["variant"], let text = string(given, "meta.variant") {
            variant = Theme.Variant(rawValue: text)
            if variant == nil {
                report(given, "meta.variant", "'\(text)' is not one of \(variants)")
            }
        } else if values["variant"] == nil {
            report(node, "meta.variant", "missing: one of \(variants)")
        }
        var contrast: Double?
        switch values["contrast"]?.value {
        case nil: break
        case .integer(let value)?: contrast = Double(value)
        case .float(let value)?: contrast = value
        case let other?:
            report(
                values["contrast"] ?? node, "meta.contrast", "a number is meant, not \(other.kind)")
        }
        if let contrast, !(1...21).contains(contrast) {
            report(values["contrast"] ?? node, "meta.contrast", "contrast is from 1 to 21")
        }
        guard let name, let variant else { return nil }
        return (name, variant, contrast)
    }

    private mutating func parsePalette(_ node: TOMLNode) {
        guard case .table(let table) = node.value else {
            report(node, "palette", "a table is meant, not \(node.value.kind)")
            return
        }
        for (key, node) in table.entries {
            let path = "palette.\(key)"
            guard let text = string(node, path) else { continue }
            if let color = Self.color(text) {
                palette[key] = color
            } else {
                report(
                    node, path,
                    "'\(text)' is no colour: \"#rrggbb\", \"default\" or one of the sixteen names"
                )
            }
        }
    }

    private mutating func parseRoles(
        _ node: TOMLNode?, _ root: TOMLNode
    ) -> [ColorDepth: [Role: Ink]] {
        var inks: [ColorDepth: [Role: Ink]] = [:]
        guard let node else {
            report(root, "roles", "missing")
            return inks
        }
        let roles = known(node, at: "roles", Role.allCases.map(\.rawValue))
        var missing: [String] = []
        for role in Role.allCases {
            guard let node = roles[role.rawValue] else {
                missing.append(role.rawValue)
                continue
            }
            lines[role] = node.line
            parse(role, node, into: &inks)
        }
        if !missing.isEmpty {
            report(
                node, "roles",
                "a theme gives every role; missing: \(missing.joined(separator: ", "))")
        }
        return inks
    }

    private mutating func parse(
        _ role: Role, _ node: TOMLNode, into inks: inout [ColorDepth: [Role: Ink]]
    ) {
        let path = "roles.\(role.rawValue)"
        let values = known(node, at: path, ["fg", "bg", "attrs", "ansi16", "mono"])
        var full = Ink()
        if let node = values["fg"] { full.foreground = color(node, path + ".fg") }
        if let node = values["bg"] { full.background = color(node, path + ".bg") }
        if let node = values["attrs"] {
            if case .array(let elements) = node.value {
                for element in elements {
                    guard let word = string(element, path + ".attrs") else { continue }
                    full.attributes.formUnion(attribute(word, element, path + ".attrs"))
                }
            } else {
                report(node, path + ".attrs", "an array is meant, not \(node.value.kind)")
            }
        }
        inks[.full, default: [:]][role] = full
        for (key, depth) in [("ansi16", ColorDepth.ansi16), ("mono", .mono)] {
            guard let given = values[key] else {
                report(node, "\(path).\(key)", "missing: every role has one, \"\" for plain")
                continue
            }
            guard let text = string(given, "\(path).\(key)") else { continue }
            inks[depth, default: [:]][role] = ink(
                text, given, "\(path).\(key)", colors: depth == .ansi16)
        }
    }

    // MARK: Values

    /// "bold white on blue": attributes and, where `colors`, one colour and one after "on".
    private mutating func ink(
        _ text: String, _ node: TOMLNode, _ path: String, colors: Bool
    ) -> Ink {
        var ink = Ink()
        var onBackground = false
        for word in text.split(separator: " ") {
            if colors, word == "on", !onBackground {
                onBackground = true
            } else if colors, let color = ANSIColor.color(word) {
                if onBackground { ink.background = color } else { ink.foreground = color }
            } else {
                ink.attributes.formUnion(attribute(word, node, path, colors: colors))
            }
        }
        if onBackground, ink.background == nil { report(node, path, "a colour follows 'on'") }
        return ink
    }

    private mutating func attribute(
        _ word: some StringProtocol, _ node: TOMLNode, _ path: String, colors: Bool = false
    ) -> Attributes {
        switch word {
        case "bold": return .bold
        case "dim": return .dim
        case "italic": return .italic
        case "underline": return .underline
        case "reverse": return .reverse
        default:
            report(
                node, path,
                "'\(word)' is not one of bold, dim, italic, underline, reverse"
                    + (colors ? ", nor a colour" : ""))
            return []
        }
    }

    private static func color(_ text: String) -> Color? {
        ANSIColor.color(text) ?? RGB(hex: text).map { Color($0.quantised) }
    }

    private mutating func color(_ node: TOMLNode, _ path: String) -> Color? {
        guard let text = string(node, path) else { return nil }
        if let color = palette[text] ?? Self.color(text) { return color }
        report(node, path, "'\(text)' is neither in the palette nor a colour")
        return nil
    }

    private mutating func string(_ node: TOMLNode, _ path: String) -> String? {
        if case .string(let text) = node.value { return text }
        report(node, path, "a string is meant, not \(node.value.kind)")
        return nil
    }

    /// The entries of a table; unknown ones are reported.
    private mutating func known(
        _ node: TOMLNode, at path: String, _ names: [String]
    ) -> [String: TOMLNode] {
        guard case .table(let table) = node.value else {
            report(node, path, "a table is meant, not \(node.value.kind)")
            return [:]
        }
        var found: [String: TOMLNode] = [:]
        for (key, node) in table.entries {
            if names.contains(key) {
                found[key] = node
            } else {
                report(
                    node, path.isEmpty ? key : "\(path).\(key)",
                    "unknown; known are \(names.joined(separator: ", "))")
            }
        }
        return found
    }

    private mutating func report(_ node: TOMLNode, _ key: String, _ message: String) {
        problems.append(
            SettingsError.Problem(file: file, line: node.line, key: key, message: message))
    }
}
