import Mail

@testable import Monitor

/// Makes a value of any type of the API with the same text in every string that it has, and every
/// optional field filled: a field that is added to the API is there by itself.
struct HostileDecoder: Decoder {
    let text: String
    /// Which case of an enumeration is taken.
    var variant = 0
    var codingPath: [any CodingKey] = []
    var userInfo: [CodingUserInfoKey: Any] = [:]

    static func value<Value: Decodable>(
        _ text: String, variant: Int = 0
    ) throws -> Value {
        try HostileDecoder(text: text, variant: variant).make(Value.self)
    }

    /// Raw values of enumerations that do not say which cases they have.
    private static let words = [
        "running", "starting", "silent", "draining", "dead", "undoable", "done", "undone", "failed",
        "closed", "open", "half-open", "reading", "changing", "checking",
    ]

    func make<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if let time = UnixTime(seconds: Fixture.now.seconds + 3) as? Value { return time }
        if let cases = type as? any CaseIterable.Type, let value = pick(cases) as? Value {
            return value
        }
        do {
            return try Value(from: self)
        } catch let error as DecodingError where type is any RawRepresentable.Type {
            // A case that is not known here is a reason to fail: its words go above.
            for index in Self.words.indices {
                let word = Self.words[(index + variant) % Self.words.count]
                let other = HostileDecoder(text: word, variant: variant, codingPath: codingPath)
                if let value = try? Value(from: other) { return value }
            }
            throw error
        }
    }

    private func pick<Cases: CaseIterable>(_ cases: Cases.Type) -> Any? {
        let all = Array(Cases.allCases)
        return all.isEmpty ? nil : all[variant % all.count]
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Keyed<Key>(decoder: self))
    }

    func unkeyedContainer() -> any UnkeyedDecodingContainer { Unkeyed(decoder: self) }

    func singleValueContainer() -> any SingleValueDecodingContainer { Single(decoder: self) }

    private struct Keyed<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let decoder: HostileDecoder
        var codingPath: [any CodingKey] { decoder.codingPath }
        var allKeys: [Key] { [] }

        func contains(_ key: Key) -> Bool { true }
        func decodeNil(forKey key: Key) -> Bool { false }
        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            var inner = decoder
            inner.codingPath.append(key)
            return try inner.make(type)
        }
        func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) -> KeyedDecodingContainer<Nested> { decoder.container(keyedBy: type) }
        func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer {
            decoder.unkeyedContainer()
        }
        func superDecoder() -> any Decoder { decoder }
        func superDecoder(forKey key: Key) -> any Decoder { decoder }
    }

    private struct Unkeyed: UnkeyedDecodingContainer {
        let decoder: HostileDecoder
        var codingPath: [any CodingKey] { decoder.codingPath }
        var count: Int? { 2 }
        var isAtEnd: Bool { currentIndex >= 2 }
        var currentIndex = 0

        mutating func decodeNil() -> Bool { false }
        mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
            currentIndex += 1
            return try decoder.make(type)
        }
        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type
        ) -> KeyedDecodingContainer<Nested> {
            currentIndex += 1
            return decoder.container(keyedBy: type)
        }
        mutating func nestedUnkeyedContainer() -> any UnkeyedDecodingContainer {
            currentIndex += 1
            return decoder.unkeyedContainer()
        }
        mutating func superDecoder() -> any Decoder { decoder }
    }

    private struct Single: SingleValueDecodingContainer {
        let decoder: HostileDecoder
        var codingPath: [any CodingKey] { decoder.codingPath }

        func decodeNil() -> Bool { false }
        func decode(_ type: Bool.Type) -> Bool { true }
        func decode(_ type: String.Type) -> String { decoder.text }
        func decode(_ type: Double.Type) -> Double { 3 }
        func decode(_ type: Float.Type) -> Float { 3 }
        func decode(_ type: Int.Type) -> Int { 3 }
        func decode(_ type: Int8.Type) -> Int8 { 3 }
        func decode(_ type: Int16.Type) -> Int16 { 3 }
        func decode(_ type: Int32.Type) -> Int32 { 3 }
        func decode(_ type: Int64.Type) -> Int64 { 3 }
        func decode(_ type: UInt.Type) -> UInt { 3 }
        func decode(_ type: UInt8.Type) -> UInt8 { 3 }
        func decode(_ type: UInt16.Type) -> UInt16 { 3 }
        func decode(_ type: UInt32.Type) -> UInt32 { 3 }
        func decode(_ type: UInt64.Type) -> UInt64 { 3 }
        func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.make(type) }
    }
}
