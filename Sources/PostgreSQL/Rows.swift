import CPostgreSQL

/// The answer to one command. Columns count from 0; values come in binary form.
///
/// Unchecked, as a finished result is only read.
package final class Rows: @unchecked Sendable {
    private let result: OpaquePointer

    init(_ result: OpaquePointer) { self.result = result }

    deinit { PQclear(result) }

    package var count: Int { Int(PQntuples(result)) }

    /// Rows that an INSERT, UPDATE or DELETE changed.
    package var changed: Int { Int(String(cString: PQcmdTuples(result))) ?? 0 }

    package subscript(row: Int) -> Row { Row(result: result, index: Int32(row), owner: self) }

    package var first: Row? { count > 0 ? self[0] : nil }
}

extension Rows: Sequence {
    package struct Iterator: IteratorProtocol {
        let rows: Rows
        var next_ = 0

        package mutating func next() -> Row? {
            guard next_ < rows.count else { return nil }
            defer { next_ += 1 }
            return rows[next_]
        }
    }

    package func makeIterator() -> Iterator { Iterator(rows: self) }
}

package struct Row {
    fileprivate let result: OpaquePointer
    fileprivate let index: Int32
    /// Keeps the result.
    fileprivate let owner: Rows

    /// smallint, integer, bigint or boolean; 0 for NULL.
    package func int(_ column: Int32) -> Int64 {
        withBytes(column) { bytes in
            guard let first = bytes.first else { return 0 }
            // Boolean is one byte, 0 or 1; the others are signed.
            return bytes.dropFirst().reduce(Int64(Int8(bitPattern: first))) { $0 << 8 | Int64($1) }
        }
    }

    package func optionalInt(_ column: Int32) -> Int64? { isNull(column) ? nil : int(column) }

    /// Bytes that are not UTF-8 are replaced; NULL is empty.
    package func text(_ column: Int32) -> String {
        withBytes(column) { String(decoding: $0, as: UTF8.self) }
    }

    package func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

    /// The bytes are valid during the call of `body` only.
    package func withBytes<Result>(
        _ column: Int32, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        withExtendedLifetime(owner) {
            body(
                UnsafeRawBufferPointer(
                    start: PQgetvalue(result, index, column),
                    count: Int(PQgetlength(result, index, column))))
        }
    }

    private func isNull(_ column: Int32) -> Bool { PQgetisnull(result, index, column) != 0 }
}
