/// A limit that can be set, or be switched off where a wider rule sets it.
package enum Switchable<Value: Hashable & Sendable & Codable>: Hashable, Sendable, Codable {
    case off
    case on(Value)

    package var value: Value? {
        if case .on(let value) = self { return value }
        return nil
    }

    static func kind(_ inner: ValueKind<Value>) -> ValueKind<Switchable> {
        ValueKind(inner.expected + ", or \"off\"") { node, complaints in
            if node.value == .string("off") { return .off }
            return inner.parse(node, &complaints).map { .on($0) }
        }
    }
}
