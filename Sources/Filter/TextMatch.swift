/// Comparison of texts: ASCII letters without regard to case, everything else as it is. That is
/// what SQLite's LIKE does, so a filter selects the same rows in memory and in the spool.
package enum TextMatch {
    /// The whole text against a pattern in which `*` stands for anything and `?` for one scalar.
    package static func glob(_ text: String, _ pattern: String) -> Bool {
        withBytes(text) { text in withBytes(pattern) { glob(text, $0) } }
    }

    package static func contains(_ text: String, _ part: String) -> Bool {
        withBytes(text) { text in withBytes(part) { contains(text, $0) } }
    }

    private static func withBytes<R>(
        _ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> R
    ) -> R {
        // The pointer is only used inside `body`; native strings give it without a copy.
        if let result = text.utf8.withContiguousStorageIfAvailable(body) { return result }
        return Array(text.utf8).withUnsafeBufferPointer(body)
    }

    private static func folded(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    private static func contains(
        _ text: UnsafeBufferPointer<UInt8>, _ part: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        guard let first = part.first.map(folded) else { return true }
        guard text.count >= part.count else { return false }
        for start in 0...(text.count - part.count) where folded(text[start]) == first {
            var length = 1
            while length < part.count, folded(text[start + length]) == folded(part[length]) {
                length += 1
            }
            if length == part.count { return true }
        }
        return false
    }

    /// The same over the bytes.
    package static func glob(
        _ text: UnsafeBufferPointer<UInt8>, _ pattern: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        var t = 0
        var p = 0
        // Where the last `*` stands and how far it reaches: on a mismatch it takes one byte more.
        // Earlier ones need not be tried again, which bounds the work by text × pattern.
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") {
                p += 1
                t = afterScalar(text, t)
            } else if p < pattern.count, folded(pattern[p]) == folded(text[t]) {
                p += 1
                t += 1
            } else if let last = star {
                let next = afterScalar(text, last.text)
                star = (last.pattern, next)
                p = last.pattern + 1
                t = next
            } else {
                return false
            }
        }
        while p < pattern.count, pattern[p] == UInt8(ascii: "*") { p += 1 }
        return p == pattern.count
    }

    /// The index after the UTF-8 sequence that starts at `index`.
    private static func afterScalar(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> Int {
        var next = index + 1
        while next < text.count, text[next] & 0xC0 == 0x80 { next += 1 }
        return next
    }
}
