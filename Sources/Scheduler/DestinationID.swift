/// A destination, by the spool's row id.
package struct DestinationID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let rawValue: Int64

    package init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    package var description: String { String(rawValue) }

    package static func < (a: DestinationID, b: DestinationID) -> Bool { a.rawValue < b.rawValue }
}
