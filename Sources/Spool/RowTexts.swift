/// The texts of one row on their way into a statement: they are gathered in one buffer that is
/// used again for the next row, and bound from there without another copy.
package struct RowTexts {
    /// Never empty, so that it always has an address (SQLite takes a null pointer for NULL).
    private var bytes: [UInt8] = [0]
    /// Where each text ends; the first begins at 1.
    private var ends: [Int] = []

    package init() {
        bytes.reserveCapacity(1024)
        ends.reserveCapacity(8)
    }

    package mutating func removeAll() {
        bytes.removeSubrange(1...)
        ends.removeAll(keepingCapacity: true)
    }

    package mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        ends.append(bytes.count)
    }

    package mutating func appendAddresses(_ recipients: [StoredRecipient]) {
        TextCoding.appendAddresses(recipients, to: &bytes)
        ends.append(bytes.count)
    }

    package mutating func appendAttributes(_ recipients: [StoredRecipient]) {
        TextCoding.appendAttributes(recipients, to: &bytes)
        ends.append(bytes.count)
    }

    /// Of some of the texts, by their places.
    func sum(of places: Int...) -> EnvelopeChecksum.Sum {
        bytes.withUnsafeBytes { buffer in
            var sum = EnvelopeChecksum.Sum()
            for place in places {
                let start = place == 0 ? 1 : ends[place - 1]
                sum.add(UnsafeRawBufferPointer(rebasing: buffer[start..<ends[place]]))
            }
            return sum
        }
    }

    /// What is bound, in its order.
    package var texts: [String] {
        zip([1] + ends, ends).map { String(decoding: bytes[$0..<$1], as: UTF8.self) }
    }

    /// Binds the texts in their order, the first at `index`, and runs the statement.
    @discardableResult
    func run(_ statement: RawStatement, firstAt index: Int32) throws(SpoolError) -> Int {
        // The closure's own error type is not inferred, hence the Result.
        let result = bytes.withUnsafeBufferPointer {
            (buffer) -> Result<Int, SpoolError> in
            do throws(SpoolError) {
                var start = 1
                for (offset, end) in ends.enumerated() {
                    try statement.bindText(
                        borrowing: UnsafeBufferPointer(
                            start: buffer.baseAddress! + start, count: end - start),
                        at: index + Int32(offset))
                    start = end
                }
                return .success(try statement.run())
            } catch {
                statement.reset()
                return .failure(error)
            }
        }
        return try result.get()
    }
}
