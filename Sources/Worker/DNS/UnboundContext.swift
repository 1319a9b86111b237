import CUnbound
import Settings

package struct ResolverError: Error, Hashable, Sendable, CustomStringConvertible {
    package var description: String
}

/// A libunbound context: a caching stub resolver with a thread of its own that does the I/O.
///
/// Belongs to one thread at a time.
struct UnboundContext: ~Copyable {
    private let context: OpaquePointer

    /// `servers` empty: those of /etc/resolv.conf.
    init(servers: [SocketEndpoint]) throws(ResolverError) {
        context = try Self.make(servers: servers)
    }

    private static func make(servers: [SocketEndpoint]) throws(ResolverError) -> OpaquePointer {
        guard let context = ub_ctx_create() else {
            throw ResolverError(description: "DNS: libunbound cannot be set up (memory)")
        }
        do {
            try setUp(context, servers: servers)
        } catch {
            ub_ctx_delete(context)
            throw error
        }
        return context
    }

    private static func setUp(
        _ context: OpaquePointer, servers: [SocketEndpoint]
    ) throws(ResolverError) {
        // What it has to say comes with each answer; stderr is the log's.
        ub_ctx_debugout(context, nil)
        ub_ctx_debuglevel(context, 0)
        // Work in a thread, not in a forked process.
        ub_ctx_async(context, 1)
        for (option, value) in options {
            try check(ub_ctx_set_option(context, option, value), option)
        }
        for server in servers {
            let text = "\(server.address)@\(server.port)"
            try check(ub_ctx_set_fwd(context, text), "server \(server)")
        }
        if servers.isEmpty {
            let code = ub_ctx_resolvconf(context, nil)
            if code == UB_READFILE.rawValue {
                // resolv.conf(5): without the file, the server on this machine.
                try check(ub_ctx_set_fwd(context, "127.0.0.1"), "server 127.0.0.1")
            } else {
                try check(code, "/etc/resolv.conf (or set servers in [dns])")
            }
        }
        // RFC 6761 lets a resolver refuse "test."; a laboratory's own servers know better.
        try check(ub_ctx_zone_remove(context, "test."), "test.")
    }

    deinit {
        ub_ctx_delete(context)
    }

    private static let options: [(String, String)] = [
        // A server on 127.0.0.1 is a common setup.
        ("do-not-query-localhost:", "no"),
        // As the DNS flag day of 2020: below what gets fragmented.
        ("edns-buffer-size:", "1232"),
        // The library's own defaults are for programs that look up a name or two.
        ("num-queries-per-thread:", "1024"), ("outgoing-range:", "256"),
        ("outgoing-num-tcp:", "32"),
        ("msg-cache-size:", "8m"), ("rrset-cache-size:", "16m"),
        // A server that was down is noticed when it is back, not after fifteen minutes.
        ("infra-keep-probing:", "yes"),
    ]

    private static func check(_ code: Int32, _ what: String) throws(ResolverError) {
        guard code != 0 else { return }
        throw ResolverError(
            description: "DNS: \(what): \(String(cString: ub_strerror(code)))")
    }

    /// Becomes readable when `process` has something to do.
    var descriptor: Int32 { ub_fd(context) }

    /// Calls the callbacks of the questions that have been answered.
    func process() {
        ub_process(context)
    }

    /// Asks; the callback comes from `process`, once, unless `cancel` comes before. nil where
    /// it cannot be asked; then there is no callback.
    func ask(
        _ question: Question, _ data: UnsafeMutableRawPointer,
        _ callback:
            @convention(c) (
                UnsafeMutableRawPointer?, Int32, UnsafeMutablePointer<ub_result>?
            ) -> Void
    ) -> Int32? {
        var number: Int32 = 0
        // Class 1 is the Internet.
        let code = ub_resolve_async(
            context, question.name, question.kind.rawValue, 1, data, callback, &number)
        return code == 0 ? number : nil
    }

    func cancel(_ number: Int32) {
        ub_cancel(context, number)
    }

    /// Takes libunbound's result to pieces and frees it.
    static func reply(_ code: Int32, _ result: UnsafeMutablePointer<ub_result>?) -> Reply {
        guard let result, code == 0 else {
            return .failed(String(cString: ub_strerror(code)))
        }
        defer { ub_resolve_free(result) }
        let content = result.pointee
        if content.bogus != 0 {
            let why = content.why_bogus.map { String(cString: $0) } ?? "no reason given"
            return .failed("DNSSEC validation failed: \(why)")
        }
        switch content.rcode {
        case 0:
            let records = Self.records(content)
            return records.isEmpty ? .noData : .records(records, ttl: Int(content.ttl))
        case 3: return .noSuchDomain
        case 1: return .failed("FORMERR")
        case 2: return .failed("SERVFAIL")
        case 4: return .failed("NOTIMP")
        case 5: return .failed("REFUSED")
        default: return .failed("RCODE \(content.rcode)")
        }
    }

    private static func records(_ result: ub_result) -> [[UInt8]] {
        var records: [[UInt8]] = []
        guard result.havedata != 0, let data = result.data, let lengths = result.len else {
            return records
        }
        var index = 0
        while let item = data[index] {
            let bytes = UnsafeRawBufferPointer(start: item, count: Int(lengths[index]))
            records.append(Array(bytes))
            index += 1
        }
        return records
    }
}
