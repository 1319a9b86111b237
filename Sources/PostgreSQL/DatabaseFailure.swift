import CPostgreSQL

/// What the server, or the way to it, has against a command.
package struct DatabaseFailure: Error, Sendable, CustomStringConvertible {
    /// There is no connection (any more). Whether commands that had been sent took effect is not
    /// known.
    package var isLost: Bool
    /// Five characters (PostgreSQL's manual, Appendix A); empty where libpq itself complains.
    package var sqlState: String
    /// One line, for people.
    package var message: String

    package init(isLost: Bool = false, sqlState: String = "", message: String) {
        self.isLost = isLost
        self.sqlState = sqlState
        self.message = message
    }

    package var description: String {
        sqlState.isEmpty ? message : "\(message) (SQLSTATE \(sqlState))"
    }

    static func lost(_ message: String) -> DatabaseFailure {
        DatabaseFailure(isLost: true, message: message)
    }

    /// libpq's messages end with a line end and may hold several lines.
    static func line(_ text: UnsafePointer<CChar>?) -> String {
        guard let text else { return "no reason given" }
        let lines = String(cString: text).split(whereSeparator: \.isNewline)
        return lines.isEmpty ? "no reason given" : lines.joined(separator: "; ")
    }
}
