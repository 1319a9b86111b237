import Terminal

extension FuzzTarget {
    /// What a terminal sends: however it is cut, the keys are the same.
    static let keys = FuzzTarget("keys", maximumLength: 1024) { bytes in
        var input = FuzzInput(bytes)
        let seed = input.byte()
        let whole = decode(pieces(input.rest, seed: 255))
        try demandEqual(whole, decode(pieces(input.rest, seed: seed)), "Cut otherwise")
        for case .mouse(let mouse) in whole {
            try demand(mouse.row >= 0 && mouse.column >= 0, "The mouse is at \(mouse)")
        }
        // A pause anywhere: the keys may differ, nothing breaks, and nothing stays behind.
        var decoder = KeyDecoder()
        for piece in pieces(input.rest, seed: seed) {
            _ = decoder.feed(piece)
            _ = decoder.expire()
        }
        while decoder.delay != nil { _ = decoder.expire() }
    }

    private static func decode(_ pieces: [ArraySlice<UInt8>]) -> [Key] {
        var decoder = KeyDecoder()
        var keys: [Key] = []
        for piece in pieces { keys += decoder.feed(piece) }
        return keys + decoder.expire()
    }
}
