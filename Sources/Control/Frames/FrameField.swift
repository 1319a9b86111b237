package import Mail
package import NIOCore

/// A value that has a place in a frame. Integers are big-endian; strings and lists carry their
/// count in 4 bytes.
package protocol FrameField {
    func write(to buffer: inout ByteBuffer)
    static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Self
}

/// Bytes that are no frame: the peer is broken or not a Sluice process; the connection ends.
package struct FrameError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

extension FixedWidthInteger where Self: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(self)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Self {
        guard let value = buffer.readInteger(as: Self.self) else {
            throw FrameError("the frame ends within a number")
        }
        return value
    }
}

extension UInt8: FrameField {}
extension Int8: FrameField {}
extension UInt16: FrameField {}
extension UInt32: FrameField {}
extension UInt64: FrameField {}
extension Int32: FrameField {}
extension Int64: FrameField {}

extension Int: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(Int64(self))
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Int {
        Int(try Int64.read(from: &buffer))
    }
}

extension Bool: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(self ? 1 : 0))
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Bool {
        switch try UInt8.read(from: &buffer) {
        case 0: false
        case 1: true
        default: throw FrameError("a flag is neither 0 nor 1")
        }
    }
}

extension Double: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(bitPattern)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Double {
        Double(bitPattern: try UInt64.read(from: &buffer))
    }
}

extension ByteBuffer: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(readableBytes))
        buffer.writeImmutableBuffer(self)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> ByteBuffer {
        guard let count = buffer.readInteger(as: UInt32.self),
            let slice = buffer.readSlice(length: Int(count))
        else { throw FrameError("the frame ends within \"bytes\"") }
        return slice
    }
}

extension String: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(utf8.count))
        buffer.writeString(self)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> String {
        guard let count = buffer.readInteger(as: UInt32.self),
            let text = buffer.readString(length: Int(count))
        else { throw FrameError("the frame ends within a text") }
        return text
    }
}

extension Array: FrameField where Element: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt32(count))
        for element in self { element.write(to: &buffer) }
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> [Element] {
        let count = Int(try UInt32.read(from: &buffer))
        // Every element takes at least a byte: a count beyond the bytes is a lie.
        guard count <= buffer.readableBytes else { throw FrameError("a list is cut off") }
        var elements: [Element] = []
        elements.reserveCapacity(count)
        for _ in 0..<count { elements.append(try Element.read(from: &buffer)) }
        return elements
    }
}

extension Optional: FrameField where Wrapped: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        (self != nil).write(to: &buffer)
        self?.write(to: &buffer)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Wrapped? {
        if try Bool.read(from: &buffer) { return try Wrapped.read(from: &buffer) }
        return nil
    }
}

extension UnixTime: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(milliseconds)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> UnixTime {
        UnixTime(milliseconds: try Int64.read(from: &buffer))
    }
}

extension DeliveryID: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        buffer.writeInteger(rawValue)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> DeliveryID {
        DeliveryID(rawValue: try Int64.read(from: &buffer))
    }
}

extension Duration: FrameField {
    package func write(to buffer: inout ByteBuffer) {
        let (seconds, attoseconds) = components
        buffer.writeInteger(seconds)
        buffer.writeInteger(attoseconds)
    }

    package static func read(from buffer: inout ByteBuffer) throws(FrameError) -> Duration {
        let seconds = try Int64.read(from: &buffer)
        let attoseconds = try Int64.read(from: &buffer)
        // More than a second of them could overflow when both are added.
        guard attoseconds.magnitude < 1_000_000_000_000_000_000 else {
            throw FrameError("a duration's fraction is more than a second")
        }
        return Duration(secondsComponent: seconds, attosecondsComponent: attoseconds)
    }
}
