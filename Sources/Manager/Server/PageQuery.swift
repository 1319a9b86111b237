package import Control
import Hummingbird
import HummingbirdCore
import Mail

/// `?filter=&sort=&limit=&offset=&around=`.
package struct PageQuery: Sendable {
    package static let largestPage = 10_000
    package private(set) var filter: String?
    package private(set) var sort: String?
    package private(set) var descending = false
    package private(set) var limit = 100
    package private(set) var offset = 0
    /// The id of a row that the page is to have in its middle.
    package private(set) var around: String?

    init(_ request: Request) throws(APIError) {
        try self.init(request.uri)
    }

    /// - Parameter target: path and query, as the request's first line has them.
    package init(target: String) throws(APIError) {
        try self.init(URI(target))
    }

    private init(_ uri: URI) throws(APIError) {
        let parameters = uri.parameters
        filter = parameters.get("filter").flatMap { $0.isEmpty ? nil : $0 }
        if let sort = parameters.get("sort"), !sort.isEmpty {
            // By scalars: with a combining mark behind it the hyphen is another character.
            descending = sort.unicodeScalars.first == "-"
            self.sort = descending ? String(sort.unicodeScalars.dropFirst()) : sort
        }
        limit = try Self.number(parameters.get("limit"), "limit", 1...Self.largestPage) ?? limit
        offset = try Self.number(parameters.get("offset"), "offset", 0...Int.max) ?? offset
        around = parameters.get("around").flatMap { $0.isEmpty ? nil : $0 }
    }

    /// `around` as an id of the rows that are asked for.
    func around<ID>(_ what: String, _ read: (String) -> ID?) throws(APIError) -> ID? {
        guard let around else { return nil }
        guard let id = read(around) else {
            throw APIError(
                code: "bad-request",
                message: "around is \(what), not '\(SafeText(around).text)'")
        }
        return id
    }

    private static func number(
        _ text: String?, _ name: String, _ range: ClosedRange<Int>
    ) throws(APIError) -> Int? {
        guard let text else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw APIError(
                code: "bad-request",
                message: "\(name) must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}

extension Request {
    var parameters: Parameters { uri.parameters }
}

extension URI {
    /// Those of the query. A "+" is a blank, as HTML forms and `curl --data-urlencode` write it;
    /// a plus sign is "%2B".
    var parameters: Parameters {
        guard let query, query.utf8.contains(UInt8(ascii: "+")) else { return queryParameters }
        let blanks = query.split(separator: "+", omittingEmptySubsequences: false)
        return URI("/?" + blanks.joined(separator: "%20")).queryParameters
    }
}
