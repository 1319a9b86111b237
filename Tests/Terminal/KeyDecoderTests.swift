import Testing

@testable import Terminal

struct KeyDecoderTests {
    private static let cases: [(bytes: String, keys: [Key])] = [
        ("q", [.character("q")]),
        ("jjk", [.character("j"), .character("j"), .character("k")]),
        ("é∑𝄞", [.character("é"), .character("∑"), .character("𝄞")]),
        ("\r\n\t\u{7F}\u{08}", [.enter, .enter, .tab, .backspace, .backspace]),
        ("\u{06}\u{0C}", [.control("f"), .control("l")]),
        ("\u{1B}[A\u{1B}[B\u{1B}[C\u{1B}[D", [.up, .down, .right, .left]),
        ("\u{1B}OA\u{1B}OH\u{1B}OF", [.up, .home, .end]),
        ("\u{1B}[1;5A\u{1B}[1;2H", [.up, .home]),
        (
            "\u{1B}[H\u{1B}[F\u{1B}[1~\u{1B}[4~\u{1B}[7~\u{1B}[8~",
            [.home, .end, .home, .end, .home, .end]
        ),
        ("\u{1B}[2~\u{1B}[3~\u{1B}[5~\u{1B}[6~", [.insert, .delete, .pageUp, .pageDown]),
        (
            "\u{1B}OP\u{1B}[11~\u{1B}[[A\u{1B}[24~",
            [.function(1), .function(1), .function(1), .function(12)]
        ),
        ("\u{1B}[Z", [.backTab]),
        ("\u{1B}\u{1B}[A", [.escape, .up]),
        ("\u{1B}q", [.escape, .character("q")]),
        ("\u{1B}[<0;5;3M", [.mouse(Key.Mouse(action: .press, row: 2, column: 4))]),
        ("\u{1B}[<0;5;3m", [.mouse(Key.Mouse(action: .release, row: 2, column: 4))]),
        (
            "\u{1B}[<64;1;1M\u{1B}[<65;1;1M",
            [
                .mouse(Key.Mouse(action: .wheelUp, row: 0, column: 0)),
                .mouse(Key.Mouse(action: .wheelDown, row: 0, column: 0)),
            ]
        ),
        ("\u{1B}[<2;5;3M", []),
        ("\u{1B}[M !!x", [.character("x")]),
        ("\u{1B}[200~D\r\u{1B}[A q\u{1B}[201~x", [.paste("D\r\u{1B}[A q"), .character("x")]),
        ("\u{1B}[200~\u{1B}[201~", [.paste("")]),
        ("\u{1B}[201~x", [.character("x")]),
        // Answers of the terminal to questions of others.
        ("\u{1B}]11;rgb:0000/0000/0000\u{07}x", [.character("x")]),
        ("\u{1B}]11;rgb:0000/0000/0000\u{1B}\\x", [.character("x")]),
        ("\u{1B}[?64;1;2c\u{1B}[12;40Rx", [.character("x")]),
        ("\u{1B}P1$r0m\u{1B}\\x", [.character("x")]),
        ("\u{1B}[I\u{1B}[Ox", [.character("x")]),
    ]

    @Test func wholeSequences() {
        for (bytes, keys) in Self.cases {
            var decoder = KeyDecoder()
            #expect(decoder.feed(Array(bytes.utf8)) == keys, "\(bytes.debugDescription)")
            #expect(decoder.delay == nil, "\(bytes.debugDescription) leaves something behind")
        }
    }

    @Test func splitAtEveryByte() {
        for (text, keys) in Self.cases {
            let bytes = Array(text.utf8)
            for split in 0...bytes.count {
                var decoder = KeyDecoder()
                let found = decoder.feed(bytes[..<split]) + decoder.feed(bytes[split...])
                #expect(found == keys, "\(text.debugDescription) split at \(split)")
            }
            var decoder = KeyDecoder()
            #expect(bytes.flatMap { decoder.feed([$0]) } == keys, "\(text.debugDescription)")
        }
    }

    @Test func coalescedCasesKeepTheirKeys() {
        var decoder = KeyDecoder()
        let text = Self.cases.map(\.bytes).joined()
        #expect(decoder.feed(Array(text.utf8)) == Self.cases.flatMap(\.keys))
    }

    @Test func aLoneEscapeIsTheKeyAfterAWhile() {
        var decoder = KeyDecoder()
        #expect(decoder.feed([0x1B]) == [])
        #expect(decoder.delay == KeyDecoder.escapeDelay)
        #expect(decoder.expire() == [.escape])
        #expect(decoder.feed(Array("q".utf8)) == [.character("q")])
    }

    @Test func aSequenceTornAfterItsEscapeDoesNotActAsLetters() {
        var decoder = KeyDecoder()
        _ = decoder.feed([0x1B])
        #expect(decoder.expire() == [.escape])
        // The rest of "left" comes late: "D" must not purge.
        #expect(decoder.feed(Array("[D".utf8)) == [.left])
        _ = decoder.feed([0x1B])
        _ = decoder.expire()
        #expect(decoder.expire() == [])
        #expect(decoder.feed(Array("[".utf8)) == [.character("[")])
    }

    @Test func anUnfinishedSequenceIsGivenUpSilently() {
        var decoder = KeyDecoder()
        #expect(decoder.feed(Array("\u{1B}[1;".utf8)) == [])
        #expect(decoder.delay == KeyDecoder.sequenceDelay)
        #expect(decoder.expire() == [])
        #expect(decoder.feed(Array("x".utf8)) == [.character("x")])
    }

    @Test func invalidUTF8IsDropped() {
        var decoder = KeyDecoder()
        #expect(
            decoder.feed([0xFF, 0xC3, 0x41, 0xE2, 0x82, 0x42]) == [
                .character("A"), .character("B"),
            ])
        #expect(decoder.feed([0xC2, 0x9B, 0x41]) == [.character("A")])
    }

    @Test func aPasteIsBounded() {
        var decoder = KeyDecoder()
        _ = decoder.feed(Array("\u{1B}[200~".utf8))
        for _ in 0..<100 { _ = decoder.feed(Array(repeating: UInt8(ascii: "a"), count: 1024)) }
        let keys = decoder.feed(Array("\u{1B}[201~".utf8))
        guard case .paste(let text)? = keys.first else {
            Issue.record("no paste: \(keys)")
            return
        }
        #expect(text.utf8.count == KeyDecoder.pasteLimit)
    }

    @Test func garbageNeverBlocksWhatFollows() {
        var random = SplitMix(state: 42)
        for _ in 0..<2000 {
            var decoder = KeyDecoder()
            let count = Int(random.next() % 40)
            _ = decoder.feed((0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            // Ends a paste, then a string, then whatever else is open.
            _ = decoder.feed(Array("\u{1B}[201~\u{07}".utf8))
            while decoder.delay != nil { _ = decoder.expire() }
            #expect(decoder.feed(Array("q".utf8)) == [.character("q")])
        }
    }
}

struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
