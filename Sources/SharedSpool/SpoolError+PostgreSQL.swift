import PostgreSQL
import Spool

extension SpoolError {
    /// What a failure means for the spool; the cause keeps PostgreSQL's words and SQLSTATE
    /// (https://www.postgresql.org/docs/15/errcodes-appendix.html).
    init(_ error: any Error, context: String) {
        switch error {
        case var error as SpoolError:
            if error.context.isEmpty { error.context = context }
            self = error
        case let error as DatabaseFailure:
            self.init(code: Self.code(of: error), cause: error.description, context: context)
        case SharedSpoolFault.tooNew(let version):
            self.init(
                code: .tooNew,
                cause: "its schema has version \(version), and this sluiced knows "
                    + "\(SharedSchema.version); run the newer one, or name another database "
                    + "(nothing was changed)",
                context: context)
        case SharedSpoolFault.foreign:
            self.init(
                code: .damaged,
                cause: "its schema \"\(SharedSchema.name)\" is not a spool; name another database",
                context: context)
        case SharedSpoolFault.encoding(let encoding):
            self.init(
                code: .unusable,
                cause: "its encoding is \(encoding); make one with: createdb --encoding=UTF8 "
                    + "--template=template0",
                context: context)
        case SharedSpoolFault.version(let version):
            self.init(
                code: .unusable,
                cause: "PostgreSQL \(version / 10_000) is too old; 15 or later is needed",
                context: context)
        case SharedSpoolFault.inUse(let holder):
            self.init(
                code: .inUse,
                cause: "\(holder) uses this spool; stop it, or give this daemon another database",
                context: context)
        default:
            self.init(code: .cannotWrite, cause: String(describing: error), context: context)
        }
    }

    private static func code(of failure: DatabaseFailure) -> Code {
        if failure.isLost { return .cannotWrite }
        if failure.sqlState == SharedSchema.fenced { return .inUse }
        switch failure.sqlState.prefix(2) {
        // Data exception, constraint, wrong statement, a limit of the program.
        case "22", "23", "42", "54": return failure.sqlState == "42501" ? .cannotWrite : .refused
        // Data or index corrupted.
        case "XX": return failure.sqlState == "XX000" ? .cannotWrite : .damaged
        default: return .cannotWrite
        }
    }
}
