import Control
import FoundationEssentials

/// What one node asks another: the part of a request to its control socket that is the other's.
enum PeerRequest: Codable, Sendable {
    case destinations(Rows)
    case destination(String)
    case detail(String)
    /// Deliveries, as their owner sees them.
    case messages([String])
    /// Destinations for each comparison of a filter over messages that the spool cannot answer, in
    /// their order.
    case matching(filter: String)
    case ages(limit: Int)
    case schedule(limit: Int)
    /// Lines of JSON that have come since the last question of that session.
    case events(session: String)
    case trace(session: String, destination: String, content: Bool, by: String)
    case plan(PlanRequest, by: String)
    case apply(plan: String, ApplyRequest, by: String, group: String)
    case undo(action: String, by: String)
    /// What it has of the destinations of an action that another has undone.
    case undoPart(action: String)

    /// The first rows in an order.
    struct Rows: Codable, Sendable {
        var filter: String?
        var sort: String?
        var isDescending: Bool
        var count: Int
    }

    /// How long an answer may take. What acts or counts may be about millions of deliveries.
    var patience: Duration {
        switch self {
        case .plan, .apply, .undo, .undoPart: .seconds(60)
        default: .seconds(4)
        }
    }
}

/// An answer: what was asked for, or what is wrong with the request.
enum PeerAnswer {
    static func text(_ body: () async throws -> any Encodable) async -> String {
        do {
            return "+" + (try Self.json(try await body()))
        } catch {
            let error =
                error as? APIError ?? APIError(code: "internal", message: "\(error)")
            return "-" + ((try? Self.json(error)) ?? "{}")
        }
    }

    static func value<Value: Decodable>(_ text: String) throws -> Value {
        let json = Data(text.utf8.dropFirst())
        guard text.utf8.first == UInt8(ascii: "+") else {
            throw try JSONDecoder().decode(APIError.self, from: json)
        }
        return try JSONDecoder().decode(Value.self, from: json)
    }

    static func json(_ value: any Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }
}
