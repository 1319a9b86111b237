/// A statement with its parameters, in binary form.
package struct Command {
    /// Prepared once per connection under this name; nil: parsed and planned each time.
    package let name: String?
    package let sql: String
    /// All values one after the other. Never empty, so that it always has an address.
    private(set) var bytes: [UInt8] = [0]
    /// Where each value lies in `bytes`; nil: NULL.
    private(set) var spans: [Range<Int>?] = []
    private(set) var types: [UInt32] = []

    package init(_ sql: String, name: String? = nil) {
        self.sql = sql
        self.name = name
    }

    package init(_ sql: String, name: String? = nil, _ columns: ArrayColumn...) {
        self.init(sql, name: name)
        for column in columns { bind(column) }
    }

    package mutating func bind(_ column: ArrayColumn) {
        let start = bytes.count
        bytes.reserveCapacity(start + 20 + column.byteCount)
        column.encode(into: &bytes)
        add(column.element.array, from: start)
    }

    package mutating func bind(_ value: Int64) {
        let start = bytes.count
        bytes.append(bigEndian: value)
        add(ArrayColumn.Element.int8.rawValue, from: start)
    }

    package mutating func bind(_ value: Int) { bind(Int64(value)) }

    package mutating func bind(_ value: Int64?) {
        guard let value else {
            spans.append(nil)
            return types.append(ArrayColumn.Element.int8.rawValue)
        }
        bind(value)
    }

    package mutating func bind(_ value: Double) {
        let start = bytes.count
        bytes.append(bigEndian: value.bitPattern)
        add(701, from: start)
    }

    /// As with `ArrayColumn`, NUL becomes U+FFFD.
    package mutating func bind(_ text: String) {
        let start = bytes.count
        for byte in text.utf8 {
            if byte == 0 {
                bytes.append(contentsOf: "\u{FFFD}".utf8)
            } else {
                bytes.append(byte)
            }
        }
        add(ArrayColumn.Element.text.rawValue, from: start)
    }

    private mutating func add(_ type: UInt32, from start: Int) {
        spans.append(start..<bytes.count)
        types.append(type)
    }
}
