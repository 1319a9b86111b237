/// Why a text is not a filter.
package struct FilterError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Where, in characters from the start; at most the number of characters.
    package var position: Int
    /// What is wrong and what was expected: "unknown field 'domian': did you mean 'domain'?".
    package var message: String
    /// The word to put there instead, where one is near enough to be meant.
    package var suggestion: String?

    package init(position: Int, message: String, suggestion: String? = nil) {
        self.position = position
        self.message = message
        self.suggestion = suggestion
    }

    /// The place counts from 1, as people do.
    package var description: String { "at character \(position + 1): \(message)" }
}
