/// Which rows of a list, in which order.
struct ListQuery<ID: Sendable>: Sendable {
    /// In the filter language.
    var filter: String?
    var sort: String?
    var isDescending: Bool
    var offset: Int
    var limit: Int
    /// A row that is to be in the middle of the page, if it is in the list.
    var around: ID?
}
