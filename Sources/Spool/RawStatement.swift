import GRDB
import GRDBSQLite

/// A prepared statement used through its C handle: what GRDB costs beyond SQLite itself (checking
/// and copying arguments, decoding rows) is not paid on the hot path.
///
/// Parameters count from 1, columns from 0. Use it only inside the access to the database that
/// prepared it, or a later one to the same connection.
struct RawStatement: SpoolRow {
    /// Keeps the handle alive.
    private let statement: Statement
    private let handle: OpaquePointer

    init(_ database: Database, _ sql: String) throws {
        statement = try database.makeStatement(sql: sql)
        handle = statement.sqliteStatement
    }

    // MARK: Binding

    func bind(_ value: Int64, at index: Int32) throws(SpoolError) {
        try check(sqlite3_bind_int64(handle, index, value))
    }

    func bind(_ value: Int, at index: Int32) throws(SpoolError) {
        try bind(Int64(value), at: index)
    }

    func bind(_ value: Int64?, at index: Int32) throws(SpoolError) {
        guard let value else { return try check(sqlite3_bind_null(handle, index)) }
        try bind(value, at: index)
    }

    func bind(_ value: Double, at index: Int32) throws(SpoolError) {
        try check(sqlite3_bind_double(handle, index, value))
    }

    /// Copies the text.
    func bind(_ text: String?, at index: Int32) throws(SpoolError) {
        guard var text else { return try check(sqlite3_bind_null(handle, index)) }
        let result = text.withUTF8 { bytes in
            // An empty buffer may have no address, which SQLite would take for NULL.
            bytes.isEmpty
                ? sqlite3_bind_text(handle, index, "", 0, Self.transient)
                : sqlite3_bind_text64(
                    handle, index,
                    UnsafeRawPointer(bytes.baseAddress!)
                        .assumingMemoryBound(to: CChar.self), UInt64(bytes.count),
                    Self.transient, UInt8(SQLITE_UTF8))
        }
        try check(result)
    }

    /// Copies nothing: `bytes` must live until the statement has been reset.
    func bindText(borrowing bytes: UnsafeBufferPointer<UInt8>, at index: Int32) throws(SpoolError) {
        let result = UnsafeRawPointer(bytes.baseAddress!).withMemoryRebound(
            to: CChar.self, capacity: bytes.count
        ) { sqlite3_bind_text64(handle, index, $0, UInt64(bytes.count), nil, UInt8(SQLITE_UTF8)) }
        try check(result)
    }

    /// Copies nothing: `bytes` must live until the statement has been reset.
    func bindBlob(borrowing bytes: UnsafeRawBufferPointer, at index: Int32) throws(SpoolError) {
        guard let address = bytes.baseAddress, !bytes.isEmpty else {
            return try check(sqlite3_bind_zeroblob(handle, index, 0))
        }
        try check(sqlite3_bind_blob64(handle, index, address, UInt64(bytes.count), nil))
    }

    // MARK: Running

    /// True while there is a row to look at.
    func step() throws(SpoolError) -> Bool {
        let result = sqlite3_step(handle)
        switch result {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw error(result)
        }
    }

    /// Steps to the end and makes the statement ready for the next use, also when it fails. Returns
    /// how many rows it changed.
    @discardableResult
    func run() throws(SpoolError) -> Int {
        defer { reset() }
        while try step() {}
        return Int(sqlite3_changes(sqlite3_db_handle(handle)))
    }

    /// Every `step` that is not `run` needs it at its end: a statement that is not reset holds its
    /// transaction open. Forgets the bindings, which may be borrowed.
    func reset() {
        // Returns the error of the last step again, which has been thrown already.
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    // MARK: Columns

    func int(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    func optionalInt(_ column: Int32) -> Int64? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : int(column)
    }

    /// Bytes that are not UTF-8 are replaced; NULL is empty.
    func text(_ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(handle, column) else { return "" }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(
            decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    func optionalText(_ column: Int32) -> String? {
        sqlite3_column_type(handle, column) == SQLITE_NULL ? nil : text(column)
    }

    /// The bytes are valid during the call of `body` only.
    func withBlob<R>(_ column: Int32, _ body: (UnsafeRawBufferPointer) -> R) -> R {
        let bytes = sqlite3_column_blob(handle, column)
        let count = Int(sqlite3_column_bytes(handle, column))
        return body(UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : count))
    }

    // MARK: Errors

    /// SQLITE_TRANSIENT, a macro with a cast that is not imported.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    private func check(_ result: Int32) throws(SpoolError) {
        guard result == SQLITE_OK else { throw error(result) }
    }

    private func error(_ result: Int32) -> SpoolError {
        let database = sqlite3_db_handle(handle)
        return SpoolError(
            sqliteCode: sqlite3_extended_errcode(database),
            message: String(cString: sqlite3_errmsg(database)), context: "")
    }
}
