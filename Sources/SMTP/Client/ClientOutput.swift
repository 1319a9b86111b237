import Mail
package import NIOCore

/// What a client session wants sent, in this order: commands, then the message and its end.
package struct ClientOutput {
    package internal(set) var commands = ByteBuffer()
    /// As it was given; `needsStuffing` says whether it still has to be dot-stuffed.
    package internal(set) var message: ByteBuffer?
    package internal(set) var needsStuffing = false
    /// Note every command here too.
    var tracing = false
    var trace: [String] = []

    var isEmpty: Bool { commands.readableBytes == 0 && message == nil }

    /// Its transaction ended before it was sent, so that nobody counts on it: a server that gets
    /// it all the same may take it, and gets it again later.
    mutating func dropMessage() {
        message = nil
        needsStuffing = false
    }

    mutating func write(_ command: StaticString) {
        line { $0.writeStaticString(command) }
    }

    /// One command; its CRLF is added.
    mutating func line(_ body: (inout ByteBuffer) -> Void) {
        let start = commands.writerIndex
        body(&commands)
        if tracing {
            let length = commands.writerIndex - start
            trace.append(commands.getString(at: start, length: length) ?? "")
        }
        commands.writeInteger(cr)
        commands.writeInteger(lf)
    }
}

extension ClientTransaction {
    var hasUTF8Address: Bool {
        sender.utf8.contains { $0 >= 0x80 }
            || recipients.contains { $0.address.utf8.contains { $0 >= 0x80 } }
    }

    /// Why the transaction cannot be put to a server with these capabilities; nil if it can.
    func obstacle(_ capabilities: Capabilities) -> Reply? {
        if let limit = capabilities.maxSize, size > limit {
            return .local(
                EnhancedCode(5, 3, 4),
                "The message has \(size) octets, the server takes \(limit)")
        }
        if !capabilities.utf8, hasUTF8Address || utf8 && hasUTF8Header {
            return .local(EnhancedCode(5, 6, 7), "The server does not support SMTPUTF8")
        }
        // Addresses are validated where they come in; here it is made sure that whatever came in
        // by another way does not become a command of its own.
        guard Self.isPath(sender), recipients.allSatisfy({ Self.isPath($0.address) }),
            Self.isParameter(ret), Self.isParameter(envelopeID),
            recipients.allSatisfy({
                Self.isParameter($0.notify) && Self.isParameter($0.originalRecipient)
            })
        else {
            return .local(EnhancedCode(5, 1, 0), "The envelope has control characters")
        }
        return nil
    }

    /// Many clients say SMTPUTF8 and then send plain headers, which any server can take.
    private var hasUTF8Header: Bool {
        body.withUnsafeReadableBytes { bytes in
            var line = 0
            while line < bytes.count, bytes[line] != cr {
                let end = bytes.firstIndex(of: lf, in: line..<bytes.count) ?? bytes.count - 1
                if bytes[line...end].contains(where: { $0 >= 0x80 }) { return true }
                line = end + 1
            }
            return false
        }
    }

    private static func isPath(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }

    private static func isParameter(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
    }
}
