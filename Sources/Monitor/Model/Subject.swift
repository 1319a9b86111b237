import Control
import Terminal

/// What an action is about, as it was when its dialog opened.
package struct Subject: Hashable, Sendable {
    /// Every row that matches a filter, wherever in the order; nil: every row there is.
    package struct Matching: Hashable, Sendable {
        package var kind: Target.Kind
        package var filter: String?
    }

    package var targets: [Target] = []
    /// Instead of the targets.
    package var matching: Matching?

    var isEmpty: Bool { targets.isEmpty && matching == nil }

    /// True of every row.
    private static let everyDestination = "id >= 0"
    private static let everyDelivery = "attempts >= 0"

    func selector(for action: ActionKind) -> Selector {
        guard let matching else {
            return Selector(
                destinations: targets.filter { $0.kind == .destination }.map(\.id),
                messages: targets.filter { $0.kind == .delivery }.map(\.id))
        }
        switch matching.kind {
        case .delivery: return Selector(filter: matching.filter ?? Self.everyDelivery)
        case .destination:
            let filter = matching.filter ?? Self.everyDestination
            return action.actsOnDeliveries
                ? Selector(destinationFilter: filter) : Selector(filter: filter)
        }
    }
}

extension Model {
    /// All rows that match were chosen, on this page and by the filter that it has now.
    var matching: Subject.Matching? {
        guard let chosen = allChosen, chosen.page == pages.serial, chosen.query == query.filter,
            let kind = page.rowKind
        else { return nil }
        return Subject.Matching(kind: kind, filter: chosen.query)
    }

    /// What an action on deliveries, or on destinations, would be about.
    func subject(for action: ActionKind) -> Subject {
        if let matching { return Subject(matching: matching) }
        return Subject(targets: action.actsOnDeliveries ? targets : destinationTargets)
    }

    mutating func chooseAll() {
        allChosen = (pages.serial, query.filter)
        tags.removeAll()
    }

    mutating func clearChoice() {
        allChosen = nil
        tags.removeAll()
    }

    // MARK: A range of rows

    /// While a range is chosen the screen stands still: rows that move would be another range.
    mutating func startRange() {
        guard let anchor = page.cursorID else { return }
        range = RangeChoice(
            page: pages.serial, anchor: anchor, tagsBefore: tags, wasFrozen: frozenAt != nil)
        allChosen = nil
        frozenAt = frozenAt ?? moment.elapsed
        extendRange()
    }

    /// The cursor has moved.
    mutating func extendRange() {
        guard let range, range.page == pages.serial else { return }
        let chosen = page.targets(from: range.anchor)
        tags = range.tagsBefore + chosen.filter { !range.tagsBefore.contains($0) }
    }

    /// - Parameter keeps: false: what was tagged before is tagged again.
    mutating func endRange(keeps: Bool) -> [Effect] {
        guard let range else { return [] }
        if !keeps, range.page == pages.serial { tags = range.tagsBefore }
        self.range = nil
        guard !range.wasFrozen, frozenAt != nil else { return [] }
        frozenAt = nil
        return fetchNow()
    }
}

/// From where rows are being tagged.
struct RangeChoice: Hashable, Sendable {
    var page: Int
    var anchor: String
    var tagsBefore: [Target]
    /// The operator had stopped the screen before.
    var wasFrozen: Bool
}
