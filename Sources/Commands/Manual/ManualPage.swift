/// The pages of the manual.
package enum ManualPage: String, CaseIterable, Sendable {
    case sluice = "sluice.1"
    case sluiced = "sluiced.8"
    case configuration = "sluice.toml.5"

    /// A key of the monitor, as its table has it.
    package struct KeyRow: Sendable {
        package var group: String
        package var name: String
        package var keys: String
        package var help: String

        package init(group: String, name: String, keys: String, help: String) {
            self.group = group
            self.name = name
            self.keys = keys
            self.help = help
        }
    }

    private static let manual = "Sluice"

    /// - Parameters:
    ///   - source: what the page is made from: of a program its `--experimental-dump-help`, of the
    ///     configuration its file with every setting and its comment.
    ///   - keys: the monitor's, for its page.
    package func text(from source: String, keys: [KeyRow] = []) throws -> String {
        switch self {
        case .sluice: try Self.sluice(CommandHelp(json: source), keys)
        case .sluiced: try Self.sluiced(CommandHelp(json: source))
        case .configuration: Self.configuration(source)
        }
    }

    private static func sluice(_ help: CommandHelp, _ keys: [KeyRow]) -> String {
        var page = Roff("sluice", section: 1, of: manual)
        page.section("NAME")
        page.lines("sluice - show and operate the delivery of outbound mail")
        page.describe(help, name: "sluice")
        page.section("KEYS OF THE MONITOR")
        page.paragraphs(
            "What cannot be done now says why. Keys are changed in keys.toml; \"sluice keys\" lists "
                + "them as they are. The name in parentheses is what the palette (:) and that file "
                + "call a command.")
        var group = ""
        for row in keys {
            if row.group != group { page.subsection(row.group) }
            group = row.group
            page.item(row.keys.isEmpty ? ":" + row.name : row.keys, "\(row.help) (\(row.name))")
        }
        page.section("ENVIRONMENT")
        page.item("SLUICE_SOCKET", "The daemon's control socket, where --socket is not given.")
        page.item("NO_COLOR", "Set and not empty: the monitor uses no colours.")
        page.item("COLORFGBG", "Whether the ground is light, where the terminal does not say.")
        page.item("TERM, LANG, LC_ALL, LC_CTYPE", "What the terminal can, and which characters.")
        page.section("FILES")
        page.item("~/.config/sluice/keys.toml", "Other keys for the monitor.")
        page.item("~/.config/sluice/themes", "Themes of one's own, NAME.toml.")
        page.item("~/.config/sluice/theme", "The name of the theme that was chosen in the monitor.")
        page.item("/run/sluice/control.sock", "The daemon's control socket.")
        page.section("EXIT STATUS")
        page.item("0", "Done.")
        page.item("1", "The daemon refused, or nothing matched.")
        page.item("2", "Usage.")
        page.item("3", "No daemon.")
        page.item("128 + n", "The monitor ended by signal n.")
        page.section("SEE ALSO")
        page.lines("sluiced(8), sluice.toml(5)")
        return page.text
    }

    private static func sluiced(_ help: CommandHelp) -> String {
        var page = Roff("sluiced", section: 8, of: manual)
        page.section("NAME")
        page.lines("sluiced - deliver outbound mail that an operator can see and steer")
        page.describe(help, name: "sluiced")
        page.section("SIGNALS")
        page.item("SIGTERM, SIGINT", "End in order: intake first, running transactions finish.")
        page.item("SIGHUP", "Read the configuration again; a wrong one changes nothing.")
        page.section("SEE ALSO")
        page.lines("sluice(1), sluice.toml(5)")
        return page.text
    }

    /// From the file with every setting: comments are text, `#key = value` a setting with its
    /// default, `# --- title ---` the beginning of a section.
    private static func configuration(_ file: String) -> String {
        var page = Roff("sluice.toml", section: 5, of: manual)
        page.section("NAME")
        page.lines("sluice.toml - what the daemon can be told")
        page.section("DESCRIPTION")
        var comment: [String] = []
        var settings: [String] = []
        func flush(_ page: inout Roff) {
            if settings.isEmpty {
                if !comment.isEmpty { page.paragraphs(comment.joined(separator: "\n")) }
            } else {
                page.example(settings)
                if !comment.isEmpty { page.lines(comment.joined(separator: "\n")) }
            }
            comment = []
            settings = []
        }
        for line in file.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.hasPrefix("# ---") {
                flush(&page)
                page.subsection(line.filter { $0 != "#" && $0 != "-" }.trimmed)
            } else if line.hasPrefix("# ") {
                if !settings.isEmpty { flush(&page) }
                comment.append(String(line.dropFirst(2)))
            } else if line == "#" {
                flush(&page)
            } else if line.isEmpty {
                flush(&page)
            } else {
                settings.append(line.hasPrefix("#") ? String(line.dropFirst()) : line)
            }
        }
        flush(&page)
        page.section("SEE ALSO")
        page.lines("sluice(1), sluiced(8)")
        return page.text
    }
}

extension String {
    fileprivate var trimmed: String {
        var rest = self[...]
        while rest.first == " " { rest.removeFirst() }
        while rest.last == " " { rest.removeLast() }
        return String(rest)
    }
}
