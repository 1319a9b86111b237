/// A field of the filter language. The same names sort.
package struct FilterField: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case text
        case number
        /// Compared with numbers that may carry k, M, G.
        case size
        /// Compared with durations: `90s`, `5m`, `1h`, `2d`, `1h30m`.
        case duration
        /// An SMTP code: `421`, `4xx`.
        case code
        /// One of the listed words.
        case choice([String])
        case flag
    }

    package var name: String
    package var kind: Kind
    /// One line for completion and help.
    package var help: String

    package init(name: String, kind: Kind, help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }
}

/// The fields of one kind of row, in the order in which help lists them.
package struct FilterFields: Sendable {
    package var fields: [FilterField]
    /// The field that a bare word (`example.com`) searches.
    package var bareWord: String

    package init(fields: [FilterField], bareWord: String) {
        self.fields = fields
        self.bareWord = bareWord
    }

    package subscript(name: String) -> FilterField? { fields.first { $0.name == name } }
}
