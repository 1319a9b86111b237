import Testing

@testable import Settings

@Suite struct TOMLDocumentTests {
    private func lines(_ text: String) throws -> [String: Int] {
        var found: [String: Int] = [:]
        func walk(_ node: TOMLNode, _ path: String) {
            if !path.isEmpty { found[path] = node.line }
            switch node.value {
            case .table(let table):
                for (key, node) in table.entries {
                    walk(node, path.isEmpty ? key : path + "/" + key)
                }
            case .array(let elements):
                for (index, node) in elements.enumerated() { walk(node, path + "/\(index)") }
            default: break
            }
        }
        walk(try TOMLDocument(text: text, file: "t.toml").root, "")
        return found
    }

    @Test func keysAndHeaders() throws {
        let found = try lines(
            """
            # comment
            a = 1

            [b]           # table
            c = "x # no comment"
            d.e = 2
            d.f = 3
            [b.g]
            "h.i" = true
            'j"k' = false
            "tab\\tAé" = 1
            """)
        #expect(
            found == [
                "a": 2, "b": 4, "b/c": 5, "b/d": 6, "b/d/e": 6, "b/d/f": 7, "b/g": 8,
                "b/g/h.i": 9, "b/g/j\"k": 10, "b/g/tab\tAé": 11,
            ])
    }

    @Test func valuesOverManyLines() throws {
        let found = try lines(
            #"""
            s = """
            [not.a.table]
            key = "no" \"""
            """"
            l = '''
            x = 1
            [y]'''
            a = [ # comment, with ]
              "one", # [
              [ "two" ],
              { k = [
                 1, 2 ], m.n = "}" }, 2026-11-23 22:00:00Z,
            ]
            last = 1_000
            """#)
        #expect(
            found == [
                "s": 1, "l": 5, "a": 8, "a/0": 9, "a/1": 10, "a/1/0": 10, "a/2": 11,
                "a/2/k": 11, "a/2/k/0": 12, "a/2/k/1": 12, "a/2/m": 12, "a/2/m/n": 12,
                "a/3": 12, "last": 14,
            ])
    }

    @Test func arraysOfTables() throws {
        let found = try lines(
            """
            [[s]]
            a = 1
            [s.t]
            b = 2
            [[s]]
            a = 3
            [[s.u]]
            [[s.u]]
            c = 4
            [ x . y ]
            [x]
            z = {
              }
            """.replacing("{\n  }", with: "{ }"))
        #expect(
            found == [
                "s": 1, "s/0": 1, "s/0/a": 2, "s/0/t": 3, "s/0/t/b": 4, "s/1": 5, "s/1/a": 6,
                "s/1/u": 7, "s/1/u/0": 7, "s/1/u/1": 8, "s/1/u/1/c": 9, "x": 11, "x/y": 10,
                "x/z": 12,
            ])
    }

    @Test func windowsLineEnds() throws {
        #expect(try lines("a = 1\r\n[b]\r\nc = 'x'\r\n") == ["a": 1, "b": 2, "b/c": 3])
    }

    @Test func valuesAndOrder() throws {
        let document = try TOMLDocument(
            text: """
                z = "s"
                y = -5
                x = 1.5
                w = true
                v = 2026-11-23
                u = 10:30:00
                t = 2026-11-23T10:30:00Z
                """, file: "t.toml")
        #expect(document.table.keys == ["z", "y", "x", "w", "v", "u", "t"])
        #expect(
            document.table.entries.map(\.node.value) == [
                .string("s"), .integer(-5), .float(1.5), .boolean(true), .date("2026-11-23"),
                .date("10:30:00"), .date("2026-11-23T10:30:00Z"),
            ])
        #expect(document.table["x"]?.line == 3)
        #expect(document.table["q"] == nil)
    }

    @Test(arguments: [
        ("a = 1\nb = = 2\n", 2), ("a = 1\na = 2\n", 2), ("[t]\nx = \"unfinished\n", 2),
        ("a = 1\nb = \"\0\"\n", 2), ("a = 1\n\nb = 'x' y\n", 3),
    ])
    func syntaxErrorsHaveALine(text: String, line: Int) throws {
        let error = try #require(throws: SettingsError.self) {
            try TOMLDocument(text: text, file: "t.toml")
        }
        #expect(error.problems.map(\.line) == [line])
        #expect(error.description.hasPrefix("t.toml:\(line): "))
    }

    /// The locator ends on anything, TOML or not.
    @Test func locatorEndsOnNoise() {
        var random = SplitMix(state: 7)
        let alphabet = Array("ab.=[]{}\"'\\#,\n\r \t1-é")
        for _ in 0..<3000 {
            let text = String(
                (0..<random.below(60)).map { _ in
                    alphabet[random.below(alphabet.count)]
                })
            var locator = KeyLocator(text: text)
            locator.scan()
            let lineCount = text.utf8.count { $0 == 10 } + 1
            #expect(locator.locations.values.allSatisfy { (1...lineCount).contains($0.line) })
        }
    }

    /// TOMLKit's parser ends the process at these.
    @Test(arguments: ["[[[x]]]", "[ä]", "[[ä]]", "[=]", "[ .x]", "[ [x]]", "[,]"])
    func headersWithoutAName(header: String) {
        for (text, line) in [("\(header)\n", 1), ("a = [\n[1],\n]\n\(header) # x\nb = 2", 4)] {
            do {
                _ = try TOMLDocument(text: text, file: "t.toml")
                Issue.record("\(text) was taken")
            } catch {
                #expect(error.problems.map(\.line) == [line])
                #expect(error.description.contains("[name] or [[name]]"))
            }
        }
    }

    @Test(arguments: ["1979-05-27T:", "1979-05-27 x", "12:", "1979-05-27T07:32:00+1", "1-", "1:2"])
    func malformedDates(text: String) {
        do {
            _ = try TOMLDocument(text: "b = 1\na = [\n 2, \(text) ]", file: "t.toml")
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.problems.map(\.line) == [3])
            #expect(error.description.contains("'\(text) ' is neither a number"))
        }
    }

    @Test(arguments: [
        "1979-05-27", "1979-05-27T07:32:00", "1979-05-27 07:32:00.25Z", "07:32:00",
        "1979-05-27t07:32:00-07:00", "1e-5", "-1",
    ])
    func whatLooksLikeDates(text: String) {
        #expect(throws: Never.self) {
            _ = try TOMLDocument(text: "a = \(text) # x", file: "t.toml")
        }
    }

    /// What is wrong before such a header is told, not what may be no header at all.
    @Test func anErrorBeforeAHeaderComesFirst() {
        do {
            _ = try TOMLDocument(text: "a = \"x\n[[[y]]]\n", file: "t.toml")
            Issue.record("it was taken")
        } catch {
            #expect(error.problems.map(\.line) == [1])
        }
    }
}

/// A seeded source of randomness (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
