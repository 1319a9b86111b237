import Filter
import Testing

private func parse(
    _ text: String, _ fields: FilterFields = .destinations
) throws -> FilterExpression {
    try FilterExpression.parse(text, fields: fields)
}

private func failure(_ text: String, _ fields: FilterFields = .destinations) -> FilterError? {
    do {
        _ = try FilterExpression.parse(text, fields: fields)
        return nil
    } catch {
        return error
    }
}

@Suite struct ParserTests {
    @Test(arguments: [
        (
            "domain = example.com and age > 1h and code = 4xx",
            "domain = example.com and age > 1h and code = 4xx"
        ),
        ("state = backoff and worker = 2", "state = backoff and worker = 2"),
        ("tokens = 0", "tokens = 0"),
        ("STATE=BackOff && Worker!=2", "state = backoff and worker != 2"),
        ("a or b and not c", "domain ~ a or domain ~ b and not domain ~ c"),
        ("(a or b) and c", "(domain ~ a or domain ~ b) and domain ~ c"),
        ("a and (b and c)", "domain ~ a and (domain ~ b and domain ~ c)"),
        ("not (a or b)", "not (domain ~ a or domain ~ b)"),
        ("! a || !! b", "not domain ~ a or not not domain ~ b"),
        ("foo bar", "domain ~ foo and domain ~ bar"),
        ("foo queued>10k or bar", "domain ~ foo and queued > 10000 or domain ~ bar"),
        ("*.example.com", "domain = *.example.com"),
        ("\"and\"", "domain ~ \"and\""),
        ("'state'", "domain ~ state"),
        ("pinned", "pinned = true"),
        ("not pinned", "not pinned = true"),
        ("paused = no", "paused = false"),
        ("held", "held > 0"),
        ("backoff", "state = backoff"),
        ("age >= 1h30m", "age >= 1h30m"),
        ("age > 90", "age > 1m30s"),
        ("age < 2d", "age < 2d"),
        ("age > 1w", "age > 7d"),
        ("age = 1.5s", "age = 1.5s"),
        ("next < -5s", "next < -5s"),
        ("code = 421", "code = 421"),
        ("code >= 500", "code >= 500"),
        ("code != 5XX", "code != 5xx"),
        ("code = 4.7.1", "reply = ????4.7.1 or reply = \"????4.7.1 *\""),
        ("code != 4.7.x", "reply != ????4.7.*"),
        ("reply ~ \"too \\\"many\\\" \\\\\"", "reply ~ \"too \\\"many\\\" \\\\\""),
        ("rate > 1.5", "rate > 1.5"),
        ("why = tokens", "why = tokens"),
    ])
    func destinations(text: String, canonical: String) throws {
        let expression = try parse(text)
        #expect(expression.description == canonical)
        #expect(try parse(canonical) == expression)
    }

    @Test(arguments: [
        ("bob@example.com", "recipient ~ bob@example.com"),
        ("sender = <>", "sender = \"\""),
        ("sender = \"<>\"", "sender = \"<>\""),
        (
            "sender = bounces+bob=example.com@example.net",
            "sender = \"bounces+bob=example.com@example.net\""
        ),
        ("sender!=a!b@c", "sender != \"a!b@c\""),
        ("size > 1.5M", "size > 1500000"),
        ("size<=10kB", "size <= 10000"),
        ("held", "state = held"),
        ("message = 1a2b", "message = 1a2b"),
        ("destination = \"example.com (+3)\"", "destination = \"example.com (+3)\""),
    ])
    func messages(text: String, canonical: String) throws {
        let expression = try parse(text, .messages)
        #expect(expression.description == canonical)
        #expect(try parse(canonical, .messages) == expression)
    }

    @Test(arguments: [
        ("", 0, "empty"),
        ("   ", 3, "empty"),
        ("domian = example.com", 0, "unknown field 'domian': did you mean 'domain'?"),
        ("a and domian = x", 6, "did you mean 'domain'?"),
        ("xyzzy = 1", 0, "there are id, name"),
        ("state = backof", 8, "did you mean 'backoff'?"),
        ("state = 12", 8, "one of paused"),
        ("state ~ back", 6, "use one of = !="),
        ("domain < x", 7, "cannot be compared with '<'"),
        ("age >", 5, "expected a duration such as 90s"),
        ("age > and a", 6, "expected a duration"),
        ("age > 1y", 6, "'1y' does not fit 'age'"),
        ("age", 0, "'age' needs an operator"),
        ("worker = two", 9, "expected a number"),
        ("worker = 0x10", 9, "expected a number"),
        ("worker = nan", 9, "expected a number"),
        ("worker = 1e999", 9, "expected a number"),
        ("code = 42", 7, "expected a code"),
        ("code < 4xx", 5, "use one of = !="),
        ("code = 4.7.1.2", 7, "expected a code"),
        ("pinned = maybe", 9, "expected true or false"),
        ("(a or b", 0, "missing ')'"),
        ("a)", 1, "closes nothing"),
        ("a and", 5, "found the end"),
        ("or a", 0, "found 'or'"),
        ("= 1", 0, "expected the name of a field before '='"),
        ("() and a", 1, "found ')'"),
        ("reply ~ \"abc", 8, "never closed"),
        ("\"domain\" = x", 0, "without quotes"),
        ("reply ~ a(b)", 9, "put quotes"),
        ("é domian = 1", 2, "did you mean 'domain'?"),
    ])
    func errors(text: String, position: Int, message: String) throws {
        let error = try #require(failure(text))
        #expect(error.position == position, "\(error)")
        #expect(error.message.contains(message), "\(error)")
    }

    @Test func suggestions() {
        #expect(failure("domian = x")?.suggestion == "domain")
        #expect(failure("dest = x", .messages)?.suggestion == "destination")
        #expect(failure("xyzzy = x")?.suggestion == nil)
        #expect(failure("state = held", .destinations)?.suggestion == nil)
    }

    @Test func bounds() throws {
        let deep = String(repeating: "(", count: FilterExpression.maximumDepth)
        let closed = String(repeating: ")", count: FilterExpression.maximumDepth)
        _ = try parse(deep + "a" + closed)
        #expect(failure(deep + "(a)" + closed)?.message.contains("nested deeper") == true)
        #expect(failure(String(repeating: "!", count: 4000) + "a") != nil)

        let many = Array(repeating: "a", count: FilterExpression.maximumComparisons)
        _ = try parse(many.joined(separator: " "))
        #expect(failure((many + ["a"]).joined(separator: " "))?.message.contains("200") == true)

        let long = String(repeating: "a", count: FilterExpression.maximumLength)
        _ = try parse(long)
        #expect(failure(long + "a")?.position == FilterExpression.maximumLength)
    }

    @Test(arguments: [FilterFields.destinations, .messages])
    func fieldSets(fields: FilterFields) {
        #expect(Set(fields.fields.map(\.name)).count == fields.fields.count)
        #expect(fields[fields.bareWord]?.kind == .text)
        for field in fields.fields {
            #expect(field.name == field.name.lowercased() && !field.help.isEmpty)
        }
    }
}
