import Foundation
import Testing

@testable import Mail

@Suite struct UnixTimeTests {
    private func decoded(_ json: String) throws -> UnixTime {
        try JSONDecoder().decode(UnixTime.self, from: Data(json.utf8))
    }

    @Test func secondsWithThreeDigits() throws {
        #expect(try decoded("1795479199.703").milliseconds == 1_795_479_199_703)
        #expect(try decoded("-1.5").milliseconds == -1500)
    }

    @Test(arguments: ["1e300", "-1e300", "9223372036854776", "\"1\"", "null"])
    func whatIsNoTimeIsAnError(_ json: String) {
        #expect(throws: DecodingError.self) { try decoded(json) }
    }

    @Test func notANumberIsAnError() {
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        for text in ["nan", "inf", "-inf"] {
            #expect(throws: DecodingError.self) {
                try decoder.decode(UnixTime.self, from: Data("\"\(text)\"".utf8))
            }
        }
    }

    @Test func secondsAreClamped() {
        #expect(UnixTime(seconds: .infinity).milliseconds == .max)
        #expect(UnixTime(seconds: 9_223_372_036_854_776).milliseconds == .max)
        #expect(UnixTime(seconds: -.infinity).milliseconds == .min)
        #expect(UnixTime(seconds: .nan).milliseconds == 0)
        #expect(UnixTime(seconds: 0.0015).milliseconds == 2)
    }

    @Test func sumsAndDifferencesAreClamped() {
        let least = UnixTime(milliseconds: .min)
        let greatest = UnixTime(milliseconds: .max)
        #expect(greatest - least == .milliseconds(Int64.max))
        #expect(least - greatest == .milliseconds(Int64.min))
        #expect(greatest + .milliseconds(1) == greatest)
        #expect(least + .milliseconds(-1) == least)
        #expect(least + .seconds(Int64.max) == greatest)
        #expect(greatest + .seconds(Int64.min) == least)
        #expect(UnixTime(milliseconds: 5) + .milliseconds(-7) == UnixTime(milliseconds: -2))
    }
}
