import Mail
import NIOCore

/// What the replies of the server lead to.
extension ClientSession {
    // MARK: Replies

    mutating func handle(_ reply: Reply, at now: NIODeadline) {
        switch state {
        case .connecting, .closed, .handshake:
            // In the handshake bytes come through TLS or not at all.
            fail(.local(EnhancedCode(4, 5, 0), "Unexpected reply: \(reply.text)"), at: now)
        case .greeting:
            guard reply.code == 220 else { return refused(reply, at: now) }
            sayEHLO()
        case .ehlo:
            helloReplied(reply, at: now)
        case .helo:
            guard reply.isPositive else { return refused(reply, at: now) }
            becomeReady(at: now)
        case .startTLS:
            startTLSReplied(reply, at: now)
        case .idle:
            // 421 is how a server ends what was idle for too long; anything else belongs to
            // nothing that was said.
            end(reply.code == 421 ? nil : error(reply, "Unexpected reply: \(reply.text)"))
        case .quitting:
            end(nil)
        case .running:
            guard transaction?.receive(reply, at: now, &output) == true else { return }
            finish(reply.code == 421 ? reply : nil, at: now)
        }
    }

    mutating func sayEHLO() {
        output.line { buffer in
            buffer.writeStaticString("EHLO ")
            buffer.writeString(helo)
        }
        state = .ehlo
    }

    private mutating func helloReplied(_ reply: Reply, at now: NIODeadline) {
        if reply.isPositive {
            capabilities = Capabilities(ehlo: reply.lines)
            if tls != .off, capabilities.startTLS, !secure {
                output.write("STARTTLS")
                state = .startTLS
            } else {
                becomeReady(at: now)
            }
        } else if reply.isPermanent, !secure {
            // RFC 5321 §3.2: a server from before EHLO.
            output.line { buffer in
                buffer.writeStaticString("HELO ")
                buffer.writeString(helo)
            }
            state = .helo
        } else {
            refused(reply, at: now)
        }
    }

    private mutating func startTLSReplied(_ reply: Reply, at now: NIODeadline) {
        if reply.code == 220 {
            guard parser.isEmpty else {
                // Sent in clear by who knows whom, and meant to be taken for the server's first
                // words under TLS.
                let text = "Bytes in clear behind the reply to STARTTLS"
                return fail(.local(EnhancedCode(4, 7, 0), text), at: now)
            }
            capabilities = Capabilities()
            state = .handshake
            actions.append(.startTLS)
        } else if tls == .required || reply.code == 421 {
            refused(reply, at: now)
        } else {
            becomeReady(at: now)
        }
    }

    private mutating func becomeReady(at now: NIODeadline) {
        if tls == .required, !secure {
            state = .startTLS
            return fail(
                .local(EnhancedCode(4, 7, 0), "The server does not offer STARTTLS"), at: now)
        }
        state = .idle
        actions.append(.ready)
    }

    // MARK: Endings

    mutating func finish(_ closing: Reply?, at now: NIODeadline) {
        guard let transaction else { return }
        let error =
            closing.map { self.error($0, $0.text) }
            ?? transaction.failure.map { self.error(nil, $0) }
        self.transaction = nil
        output.dropMessage()
        needsReset = transaction.needsReset
        state = .idle
        // Bytes behind the last reply announce the end, most likely.
        let intact = parser.isEmpty && !quitsWhenIdle
        actions.append(.finished(transaction.result(connect: connectTime, intact: intact, at: now)))
        if error != nil {
            end(error)
        } else if quitsWhenIdle {
            quit()
        }
    }

    /// The server does not want us before a transaction began.
    private mutating func refused(_ reply: Reply, at now: NIODeadline) {
        let error = error(reply, reply.text)
        // RFC 5321 §3.1: a server that greets with 554 waits for QUIT.
        if reply.code != 421 { output.write("QUIT") }
        end(error)
    }

    mutating func fail(_ reason: Reply, at now: NIODeadline) {
        let error = error(nil, reason.lines.first ?? "")
        if var running = transaction {
            transaction = nil
            output.dropMessage()
            running.lost(reason)
            actions.append(.finished(running.result(connect: connectTime, intact: false, at: now)))
        }
        end(error)
    }

    private func error(_ reply: Reply?, _ text: String) -> ClientError {
        ClientError(stage: stage, reply: reply, text: text)
    }

    mutating func end(_ error: ClientError?) {
        state = .closed
        if tracing, let error { notes.append((.note, error.description)) }
        actions.append(.close(error))
    }
}
