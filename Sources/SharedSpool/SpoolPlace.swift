package import PostgreSQL
package import Spool

/// Which spool is meant.
package enum SpoolPlace: Hashable, Sendable, CustomStringConvertible {
    /// SQLite, in this data directory.
    case directory(String)
    case database(DatabaseAddress)

    package init(directory: String, database: DatabaseAddress?) {
        self = database.map { .database($0) } ?? .directory(directory)
    }

    package var description: String {
        switch self {
        case .directory(let path): path
        case .database(let address): address.description
        }
    }

    /// Opens the spool, or makes an empty one, and keeps others from it until it is closed.
    ///
    /// - Parameters:
    ///   - forMove: also a spool that is in the middle of a move, for `SpoolMove`.
    ///   - node: as one of several nodes, in a database.
    package func open(
        forMove: Bool = false, node: SpoolNode? = nil,
        report: @escaping @Sendable (SpoolError) -> Void = { _ in }
    ) throws(SpoolError) -> any Spool {
        let spool: any Spool =
            switch self {
            case .directory(let path): try SQLiteSpool(directory: path, report: report)
            case .database(let address):
                try PostgreSQLSpool(
                    address, options: PostgreSQLSpool.Options(node: node), report: report)
            }
        guard !forMove else { return spool }
        do throws(SpoolError) {
            guard try spool.moveInProgress() == nil else {
                throw SpoolError(
                    code: .unusable,
                    cause: "a move of its mail has not ended; run the same sluice spool move "
                        + "again, to its end", context: description)
            }
        } catch {
            spool.close()
            throw error
        }
        return spool
    }
}
