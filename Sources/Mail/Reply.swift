/// What an SMTP server answers (RFC 5321 §4.2), or what we say in its place.
package struct Reply: Hashable, Sendable, CustomStringConvertible {
    /// 200...599, or 0 for a reply that no server gave: see `local`.
    package var code: Int
    package var enhanced: EnhancedCode?
    /// The text of each line, without the codes. What came from the network has been through
    /// `SafeText`.
    package var lines: [String]

    package init(code: Int, enhanced: EnhancedCode?, lines: [String]) {
        self.code = code
        self.enhanced = enhanced
        self.lines = lines
    }

    package init(_ code: Int, _ enhanced: EnhancedCode?, _ text: String) {
        self.init(code: code, enhanced: enhanced, lines: [text])
    }

    /// What happened to us (a lost connection, a timeout) and no server said: code 0, so that no
    /// rule about replies matches it by accident.
    package static func local(_ enhanced: EnhancedCode, _ text: String) -> Reply {
        Reply(code: 0, enhanced: enhanced, lines: [text])
    }

    package var isLocal: Bool { code == 0 }

    /// 2, 3, 4 or 5; of a local reply the class of its enhanced code.
    package var klass: Int { isLocal ? enhanced?.klass ?? 4 : code / 100 }
    package var isPositive: Bool { klass == 2 }
    package var isTransient: Bool { klass == 4 }
    package var isPermanent: Bool { klass == 5 }

    /// The longest `text`, in bytes of UTF-8: what fits a header line (RFC 5322 §2.1.1).
    package static let textLimit = 900

    /// All on one line, as a log and a screen show it: "421 4.7.28 Our system has detected…".
    package var text: String {
        var text = isLocal ? "" : String(code)
        if let enhanced { text += text.isEmpty ? enhanced.description : " \(enhanced)" }
        for line in lines where !line.isEmpty {
            if !text.isEmpty { text += " " }
            text += line
            if text.utf8.count > Self.textLimit { break }
        }
        guard text.utf8.count > Self.textLimit else { return text }
        while text.utf8.count > Self.textLimit - 3 { text.removeLast() }
        return text + "…"
    }

    package var description: String { text }
}

extension Reply {
    /// A reply as `text` shows it: "550 5.1.1 no such user", or a text of our own. The first line
    /// of several ("550-5.1.1 …") is taken as well.
    package init(stored text: String) {
        var rest = text[...]
        var code = 0
        let end = text.dropFirst(3).first
        if let number = Int(text.prefix(3)), (200...599).contains(number),
            end == nil || end == " " || end == "-"
        {
            code = number
            rest = text.dropFirst(4)
        }
        let enhanced = EnhancedCode.takePrefix(&rest)
        self.init(code: code, enhanced: enhanced, lines: [String(rest)])
    }
}
