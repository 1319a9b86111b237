import GRDB
import GRDBSQLite

extension SpoolError {
    /// What an SQLite result means for the spool. The cause keeps SQLite's words and its extended
    /// code (https://www.sqlite.org/rescode.html).
    init(sqliteCode code: Int32, message: String, context: String) {
        let kind: Code =
            switch code & 0xFF {
            case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT: .damaged
            case SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE, SQLITE_ERROR:
                .refused
            case SQLITE_MISUSE: .unusable
            default: .cannotWrite
            }
        self.init(code: kind, cause: "\(message) (SQLite code \(code))", context: context)
    }

    /// Any error that a call into GRDB throws.
    init(_ error: any Error, context: String) {
        switch error {
        case var error as SpoolError:
            if error.context.isEmpty { error.context = context }
            self = error
        case let error as DatabaseError:
            let code = error.extendedResultCode.rawValue
            // A backup fails without telling its connections, whose last message is none then.
            let told = error.message.flatMap { $0 == "not an error" ? nil : $0 }
            self.init(
                sqliteCode: code, message: told ?? String(cString: sqlite3_errstr(code)),
                context: context)
        default:
            self.init(code: .cannotWrite, cause: String(describing: error), context: context)
        }
    }
}
