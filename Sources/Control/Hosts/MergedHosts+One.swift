/// What is about one thing, on the host that its id names.
extension MergedHosts {
    /// Without a host, the one that has it, if only one has.
    private func single<Value: Sendable>(
        _ id: String, _ request: @escaping @Sendable (any DaemonAPI, String) async throws -> Value
    ) async throws -> (value: Value, host: String) {
        let qualified = QualifiedID(id)
        if qualified.host != nil { return try await alone(qualified, request) }
        let answers = try await answers(among: links) { api, _ in try await request(api, id) }
        let found = answers.compactMap { link, answer -> (value: Value, host: String)? in
            if case .success(let value) = answer { return (value, link.name) }
            return nil
        }
        guard found.count == 1 else {
            let names = found.map { QualifiedID(host: $0.host, id: id).description }
            throw APIError(
                code: "ambiguous",
                message:
                    "'\(id)' is on several hosts: say which, \(names.joined(separator: " or "))"
            )
        }
        return found[0]
    }

    package func destination(_ id: String) async throws -> DestinationRow {
        let (row, host) = try await single(id) { try await $0.destination($1) }
        return row.on(host)
    }

    package func detail(of destination: String) async throws -> DestinationDetail {
        let (detail, host) = try await single(destination) { try await $0.detail(of: $1) }
        return detail.on(host)
    }

    package func message(_ id: String) async throws -> MessageDetail {
        let (detail, host) = try await single(id) { try await $0.message($1) }
        return detail.on(host)
    }

    package func body(of message: String, lines: Int) async throws -> MessageBody {
        let (body, host) = try await single(message) { try await $0.body(of: $1, lines: lines) }
        return body.on(host)
    }
}
