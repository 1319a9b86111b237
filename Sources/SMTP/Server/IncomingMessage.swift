import Mail
import NIOCore

/// A message between DATA and its end.
struct IncomingMessage {
    let id: MessageID
    /// Where the client's part begins in `body`: before it is what we put there.
    let start: Int
    private(set) var body: ByteBuffer
    private(set) var scanner: DataScanner

    /// Octets reserved for a message on the word of its SIZE.
    private static let maxReservation = 1 << 20

    init(id: MessageID, body: ByteBuffer, declaredSize: Int, limits: ServerLimits) {
        self.id = id
        self.start = body.readableBytes
        self.body = body
        scanner = DataScanner(maxSize: limits.maxMessageSize, maxLine: limits.textLineLimit)
        if declaredSize > 0 {
            self.body.reserveCapacity(
                minimumWritableBytes: min(declaredSize, Self.maxReservation) + 64)
        }
    }

    /// Reads what there is of the message; whether it is complete.
    mutating func read(_ input: inout ByteBuffer) -> Bool {
        input.readWithUnsafeReadableBytes { bytes in
            scanner.scan(bytes, into: &body)
        }
    }

    func isLooping(maxHops: Int) -> Bool {
        ReceivedHeader.count(in: body, from: start, limit: maxHops) >= maxHops
    }
}
