import Mail

/// The id of a destination, message, delivery, plan or action, with the host that has it where
/// several are shown as one: `mx1/17`. No id has a slash, so that the last one is the border.
package struct QualifiedID: Hashable, Sendable, CustomStringConvertible {
    /// nil: it is not said, as where there is one host.
    package var host: String?
    package var id: String

    package init(host: String?, id: String) {
        self.host = host
        self.id = id
    }

    package init(_ text: String) {
        if let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")) {
            host = String(text[..<slash])
            id = String(text[text.utf8.index(after: slash)...])
        } else {
            id = text
        }
    }

    package var description: String { host.map { "\($0)/\(id)" } ?? id }

    /// What rows are in the order of: a destination's number, or that of a delivery.
    package var number: Int64? { Int64(id) }
    package var delivery: Int64? { DeliveryID(text: id)?.rawValue }
}

/// What several hosts did or would do as one: `mx1/17,mx2/4`, as the id of a plan or of an action.
/// No name of a host has a comma.
package struct JointID: Hashable, Sendable, CustomStringConvertible {
    package static let separator = ","

    package var parts: [QualifiedID]

    package init(_ parts: [QualifiedID]) {
        self.parts = parts
    }

    package init(_ text: String) {
        parts = text.split(separator: Self.separator, omittingEmptySubsequences: false).map {
            QualifiedID(String($0))
        }
    }

    package var description: String {
        parts.map(\.description).joined(separator: Self.separator)
    }
}
