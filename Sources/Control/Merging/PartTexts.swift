/// What several parts (hosts or nodes) say, as one text.
package enum PartTexts {
    /// What all of them say the same is said once; else each has its name before it:
    /// "mx1: 3 deleted; mx2: 1 deleted".
    ///
    /// - Parameter texts: nil or empty: this part says nothing.
    package static func joined(_ texts: [(name: String, text: String?)]) -> String? {
        let said = texts.compactMap { part in
            part.text.flatMap { $0.isEmpty ? nil : (name: part.name, text: $0) }
        }
        guard let first = said.first else { return nil }
        if said.count == texts.count, said.allSatisfy({ $0.text == first.text }) {
            return first.text
        }
        return grouped(said).joined(separator: "; ")
    }

    /// The same for lists of texts.
    package static func joined(_ lists: [(name: String, texts: [String])]) -> [String] {
        if lists.count == 1 { return lists[0].texts }
        return grouped(lists.flatMap { list in list.texts.map { (list.name, $0) } })
    }

    /// Those who say the same together: "mx1, mx3: nearly full".
    private static func grouped(_ said: [(name: String, text: String)]) -> [String] {
        var groups: [(names: [String], text: String)] = []
        for part in said {
            if let index = groups.firstIndex(where: { $0.text == part.text }) {
                groups[index].names.append(part.name)
            } else {
                groups.append(([part.name], part.text))
            }
        }
        return groups.map { "\($0.names.joined(separator: ", ")): \($0.text)" }
    }
}
