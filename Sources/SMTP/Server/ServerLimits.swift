/// What a client may do to us.
package struct ServerLimits: Sendable {
    /// Octets of one message, as announced in SIZE.
    package var maxMessageSize: Int
    package var maxRecipients: Int
    /// Octets of a command with its CRLF; RFC 5321 §4.5.3.1.4 asks for 512 and more for the
    /// parameters of each extension.
    package var maxLineLength: Int
    /// Octets of a line of a message with its CRLF. RFC 5321 §4.5.3.1.6 has 1000, but much mail
    /// that programs write has longer lines, and we hand on what we got.
    package var maxTextLineLength: Int
    /// Refuse lines of a message above 1000 octets.
    package var strictLineLength: Bool
    /// Commands other than RCPT from one accepted message to the next; then 421.
    package var maxCommands: Int
    /// Mistakes and refusals in a session; then 421.
    package var maxErrors: Int
    /// Received fields in a message; then it is in a loop (RFC 5321 §6.3 asks for at least 100).
    package var maxHops: Int
    /// Without a byte between commands (RFC 5321 §4.5.3.2.7: at least 5 minutes).
    package var idleTimeout: Duration
    /// Without a byte within a message.
    package var dataTimeout: Duration

    package init(
        maxMessageSize: Int = 50 * 1024 * 1024, maxRecipients: Int = 1000,
        maxLineLength: Int = 2048, maxTextLineLength: Int = 100_000,
        strictLineLength: Bool = false, maxCommands: Int = 1000, maxErrors: Int = 20,
        maxHops: Int = 100, idleTimeout: Duration = .seconds(300),
        dataTimeout: Duration = .seconds(300)
    ) {
        self.maxMessageSize = maxMessageSize
        self.maxRecipients = maxRecipients
        self.maxLineLength = maxLineLength
        self.maxTextLineLength = maxTextLineLength
        self.strictLineLength = strictLineLength
        self.maxCommands = maxCommands
        self.maxErrors = maxErrors
        self.maxHops = maxHops
        self.idleTimeout = idleTimeout
        self.dataTimeout = dataTimeout
    }

    var textLineLimit: Int { strictLineLength ? 1000 : maxTextLineLength }
}
