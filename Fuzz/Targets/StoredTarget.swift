import Spool

extension FuzzTarget {
    /// The texts of a row of the spool: what was written is what is read; what was damaged is read
    /// as something, or refused, and stays what it was read as.
    static let stored = FuzzTarget("stored", maximumLength: 2048) { bytes in
        var input = FuzzInput(bytes)
        let hasAttributes = input.byte() & 1 == 1
        // Cut at FF, which is in no text: NUL, tab and line feed are what the coding is about.
        let texts = input.rest.split(separator: 0xFF, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        let lines = TextCoding.lines(texts)
        try demandEqual(lines.utf8.count { $0 == 10 }, texts.count, "Lines")
        try demand(!lines.utf8.contains(0), "A text at which LIKE would end")
        try demandEqual(TextCoding.lines(from: Substring(lines).utf8), texts, "Lines read again")

        var rest = texts[...]
        var recipients: [StoredRecipient] = []
        while let address = rest.popFirst() {
            var recipient = StoredRecipient(address: address)
            if hasAttributes {
                recipient.notify = rest.popFirst() ?? ""
                recipient.originalRecipient = rest.popFirst() ?? ""
                recipient.lastReply = rest.popFirst() ?? ""
            }
            recipients.append(recipient)
        }
        try demandKept(recipients, with: texts[0])

        // Columns that nobody has written so.
        let columns = texts + [""]
        guard let read = TextCoding.recipients(addresses: columns[0], attributes: columns[1])
        else { return }
        try demandKept(read, with: columns[1])
    }

    private static func demandKept(_ recipients: [StoredRecipient], with text: String) throws {
        var row = RowTexts()
        // The buffer is used again for each row.
        for _ in 0..<2 {
            row.removeAll()
            row.append(text)
            row.appendAddresses(recipients)
            row.appendAttributes(recipients)
            row.append(text)
            let texts = row.texts
            try demandEqual(texts.count, 4, "Texts of a row")
            try demandEqual([texts[0], texts[3]], [text, text], "Texts beside it")
            try demandEqual(
                TextCoding.recipients(addresses: texts[1], attributes: texts[2]), recipients,
                "Recipients read again")
        }
    }
}
