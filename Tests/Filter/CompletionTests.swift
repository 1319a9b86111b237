import Testing

@testable import Filter

struct CompletionTests {
    private func completion(
        _ text: String, at cursor: Int? = nil, fields: FilterFields = .destinations
    ) -> FilterCompletion {
        FilterCompletion(of: text, at: cursor ?? text.count, fields: fields) { field in
            switch field {
            case "domain": ["gmail.example", "hotmail.example", "odd name.example"]
            case "sender": ["", "news@shop.example"]
            default: []
            }
        }
    }

    private func texts(_ text: String, fields: FilterFields = .destinations) -> [String] {
        completion(text, fields: fields).candidates.map(\.text)
    }

    @Test func anEmptyFilterBeginsWithAField() {
        let fields = FilterFields.destinations.fields.map { $0.name + " " }
        #expect(texts("") == fields + ["not "])
        #expect(texts("state = backoff and ") == fields + ["not "])
        #expect(texts("not (") == fields + ["not "])
        #expect(texts("!") == fields + ["not "])
    }

    @Test func aFieldIsCompletedThenItsOperatorThenItsValue() {
        #expect(texts("sta") == ["state "])
        #expect(texts("state") == ["state = ", "state != "])
        #expect(texts("state ") == ["= ", "!= "])
        #expect(texts("example.com ") == ["and ", "or "])
        #expect(texts("state = ") == FilterFields.destinationStates.map { $0 + " " })
        #expect(texts("state = b") == ["backoff "])
        #expect(texts("STATE = B") == ["backoff "])
        #expect(texts("state = backoff ") == ["and ", "or "])
        #expect(texts("state = backoff o") == ["or "])
        #expect(texts("paused ") == ["= ", "!= ", "and ", "or "])
        #expect(texts("paused an") == ["and "])
    }

    @Test func valuesAreThoseThatRowsHave() {
        #expect(texts("domain = g") == ["gmail.example "])
        // Anywhere in them, where none begins so.
        #expect(texts("domain = mail") == ["gmail.example ", "hotmail.example "])
        #expect(texts("domain = odd") == ["\"odd name.example\" "])
        #expect(texts("domain = \"odd n") == ["\"odd name.example\" "])
        #expect(texts("sender = ", fields: .messages) == ["<> ", "news@shop.example "])
        #expect(texts("age > ") == ["5m ", "1h ", "1d "])
    }

    @Test func whatIsReplacedIsWhatStandsThere() {
        #expect(completion("queued > 5 and sta").range == 15..<18)
        #expect(completion("state = backoff", at: 3).range == 0..<3)
        #expect(completion("state = b", at: 9).range == 8..<9)
        #expect(completion("state ").range == 6..<6)
        #expect(completion("deliv").commonPrefix == "deliver")
    }

    @Test func whatIsNoFilterHasNoCompletion() {
        #expect(texts("= 3") == [])
        #expect(texts("colour = r") == [])
        #expect(texts("\"state") == [])
        #expect(texts("domain ~ (x") == [])
    }

    /// Whatever is typed, at whatever place: what is offered fits what stands there, and none of
    /// it traps.
    @Test(arguments: [FilterFields.destinations, .messages])
    func anyTextAtAnyPlace(fields: FilterFields) {
        let pieces = [
            "state", "=", "!=", " ", "(", ")", "and", "or", "not", "\"", "'", "\\", "backoff", "~",
            "ü", "e\u{301}", "&&", "||", "!", "4xx", "<", "age", "1h",
        ]
        var random = Generator(state: 7)
        for _ in 0..<3000 {
            let count = Int.random(in: 0..<9, using: &random)
            let text = (0..<count).map { _ in pieces.randomElement(using: &random)! }.joined()
            for cursor in 0...text.count {
                let found = FilterCompletion(of: text, at: cursor, fields: fields) { _ in ["x y"] }
                #expect(found.range.upperBound == cursor, "\(text)")
                #expect(found.range.lowerBound >= 0)
                #expect(found.candidates.allSatisfy { !$0.text.isEmpty })
            }
        }
    }

    /// What completion offers, taken at each step, is a filter in the end.
    @Test func takingWhatIsOfferedMakesAFilter() throws {
        var random = Generator(state: 11)
        for _ in 0..<500 {
            var text = ""
            for _ in 0..<12 {
                let found = FilterCompletion(
                    of: text, at: text.count, fields: .destinations
                ) { _ in [] }
                guard let taken = found.candidates.randomElement(using: &random) else { break }
                text = String(text.prefix(found.range.lowerBound)) + taken.text
            }
            // Closed with an operand, where the last step left it open.
            let closed = [
                text, text + "1h", text + "7", text + "paused", text + "= 7", text + "4xx",
            ]
            let isFilter = closed.contains {
                (try? FilterExpression.parse($0, fields: .destinations)) != nil
            }
            #expect(isFilter, "\(text)")
        }
    }
}
