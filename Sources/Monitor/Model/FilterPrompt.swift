import Control
package import Filter
import Terminal

/// The filter while it is typed.
package struct FilterPrompt: Sendable {
    package var field: TextField
    /// nil: nothing is wrong so far.
    package var failure: Failure?
    /// What can stand at the cursor.
    package var completion: FilterCompletion?
    /// Tab is going through `completion`: which it is at, and what was typed before.
    package var cycle: (index: Int, typed: TextField)?

    package init(field: TextField, failure: Failure? = nil) {
        self.field = field
        self.failure = failure
    }

    /// Puts the next of what is offered there; the part that all have in common first.
    mutating func complete(backwards: Bool) {
        guard let completion, !completion.candidates.isEmpty else { return }
        let candidates = completion.candidates
        if let cycle {
            let step = backwards ? candidates.count - 1 : 1
            take((cycle.index + step) % candidates.count, typed: cycle.typed)
            return
        }
        let typed = completion.range.count
        let common = completion.commonPrefix
        if candidates.count > 1, common.count > typed {
            field.replace(completion.range, with: common)
        } else {
            take(backwards ? candidates.count - 1 : 0, typed: field)
        }
    }

    private mutating func take(_ index: Int, typed: TextField) {
        guard let completion else { return }
        field = typed
        field.replace(completion.range, with: completion.candidates[index].text)
        // The only one is taken for good.
        cycle = completion.candidates.count > 1 ? (index, typed) : nil
    }
}

extension Model {
    mutating func openFilterPrompt() {
        var prompt = FilterPrompt(field: TextField(query.filter ?? ""))
        offer(&prompt)
        overlay = .filter(prompt)
    }

    mutating func handle(_ key: Key, _ prompt: FilterPrompt) -> [Effect] {
        var prompt = prompt
        switch key {
        case .escape, .control("c"):
            overlay = nil
            return []
        case .enter: return accept(prompt)
        case .tab, .down: prompt.complete(backwards: false)
        case .backTab, .up: prompt.complete(backwards: true)
        case .mouse(let mouse) where mouse.action == .press:
            guard case .choice(let index)? = zone(row: mouse.row, column: mouse.column),
                let completion = prompt.completion, completion.candidates.indices.contains(index)
            else { return [] }
            if let typed = prompt.cycle?.typed { prompt.field = typed }
            prompt.field.replace(completion.range, with: completion.candidates[index].text)
            prompt.cycle = nil
        default:
            guard prompt.field.edit(key) else { return [] }
            prompt.cycle = nil
        }
        prompt.failure = check(prompt.field.text)
        if prompt.cycle == nil { offer(&prompt) }
        overlay = .filter(prompt)
        return []
    }

    private func offer(_ prompt: inout FilterPrompt) {
        guard let fields = self.fields else { return }
        prompt.completion = FilterCompletion(
            of: prompt.field.text, at: prompt.field.cursor, fields: fields
        ) { field in
            let known = page.values(of: field, in: self)
            if field == "host" { return hosts.map(\.name) }
            guard field == "worker" else { return known.inOrderOfCount }
            let numbers = (status?.workers ?? []).map(\.id)
            return Set(numbers).sorted().map { "\($0)" }
        }
    }

    private mutating func accept(_ prompt: FilterPrompt) -> [Effect] {
        let text = prompt.field.trimmed
        if !text.isEmpty, let failure = check(text) {
            var prompt = prompt
            prompt.failure = failure
            prompt.cycle = nil
            if let position = failure.position { prompt.field.move(to: position) }
            offer(&prompt)
            overlay = .filter(prompt)
            return []
        }
        overlay = nil
        let filter = text.isEmpty ? nil : text
        if filter == query.filter { return [] }
        query.filter = filter
        return queryChanged()
    }

    private func check(_ text: String) -> Failure? {
        guard let fields = self.fields, !text.allSatisfy({ $0 == " " }) else { return nil }
        do {
            _ = try FilterExpression.parse(text, fields: fields)
            return nil
        } catch {
            return Failure(code: "bad-filter", message: error.message, position: error.position)
        }
    }
}

extension TextField {
    /// Without the blanks behind it, which completion leaves.
    fileprivate var trimmed: String {
        var kept = characters[...]
        while kept.last == " " { kept.removeLast() }
        return String(kept)
    }
}

extension [String] {
    /// Each once, those that are there most often first.
    fileprivate var inOrderOfCount: [String] {
        let counts = reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    }
}
