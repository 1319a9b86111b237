#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

let cr = UInt8(ascii: "\r")
let lf = UInt8(ascii: "\n")
let dot = UInt8(ascii: ".")
let space = UInt8(ascii: " ")

extension UnsafeRawBufferPointer {
    /// Where `byte` first occurs in `range`: memchr, many bytes a cycle. The range lies within the
    /// buffer.
    func firstIndex(of byte: UInt8, in range: Range<Int>) -> Int? {
        guard !range.isEmpty, let base = baseAddress,
            let found = memchr(base + range.lowerBound, Int32(byte), range.count)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }
}
