import Mail
import Testing

@testable import Manager

/// What workers ask for is read together.
@Suite struct LetterRequestsTests {
    private typealias Requests = LetterRequests<String>

    private func request(_ destination: Int64, _ count: Int) -> LetterRequest<String> {
        let message = MessageID(rawValue: destination)
        let ids = (0..<count).map { DeliveryID(message: message, ordinal: UInt16($0)) }
        return LetterRequest(ids: ids, destination: destination, link: "worker")
    }

    /// Whether the loop's next turn is asked for.
    private func add(_ request: LetterRequest<String>, to requests: inout Requests) -> Bool {
        requests.add(request)
    }

    private func destinations(_ part: [LetterRequest<String>]?) -> [Int64]? {
        part?.map(\.destination)
    }

    @Test func thoseThatComeTogetherAreReadTogether() {
        var requests = Requests()
        #expect(add(request(1, 1), to: &requests))
        // The turn of the loop is asked for once.
        #expect(!add(request(2, 3), to: &requests))
        #expect(!add(request(3, 1), to: &requests))
        #expect(destinations(requests.next()) == [1, 2, 3])
        #expect(destinations(requests.next()) == nil)
    }

    @Test func aReadHasItsSize() {
        var requests = Requests()
        for (destination, count) in [(1, 12), (2, 8), (3, 1), (4, 50), (5, 1)] {
            _ = requests.add(request(Int64(destination), count))
        }
        #expect(destinations(requests.next()) == [1, 2])
        // The next one would be too large, and is one by itself.
        #expect(destinations(requests.next()) == [3])
        // Two are under way.
        #expect(destinations(requests.next()) == nil)
        requests.ended()
        #expect(destinations(requests.next()) == [4])
        requests.ended()
        #expect(destinations(requests.next()) == [5])
        #expect(destinations(requests.next()) == nil)
    }

    @Test func whileTwoAreUnderWayTheRestGathers() {
        var requests = Requests()
        for destination in Int64(1)...2 {
            #expect(add(request(destination, 1), to: &requests))
            #expect(destinations(requests.next()) == [destination])
        }
        for destination in Int64(3)...9 { #expect(!add(request(destination, 1), to: &requests)) }
        #expect(destinations(requests.next()) == nil)
        requests.ended()
        #expect(destinations(requests.next()) == [3, 4, 5, 6, 7, 8, 9])
    }
}
