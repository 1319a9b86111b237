import NIOCore

/// Reads what follows DATA: finds the true end of the message, takes the dot-stuffing off, and
/// notices everything that a laxer reader could take for an end (SMTP smuggling).
///
/// Only CRLF ends a line and only CRLF "." CRLF the message. A message with a bare CR or a bare LF
/// is read to its true end and refused: which of them another server takes for a line end is
/// unknown, so that handing it on could hand on a second message inside it.
struct DataScanner {
    enum Fault: Hashable {
        case bareLineFeed
        case bareCarriageReturn
        case lineTooLong
        case tooLarge
    }

    /// What came last. "." at the start of a line is held back until it is known whether it is the
    /// end.
    private enum Position {
        case lineStart
        case dot
        case dotCR
        case line
        case lineCR
    }

    private var position = Position.lineStart
    private var lineLength = 0
    private let maxSize: Int
    private let maxLine: Int
    /// Octets of the message so far, also of those that were not kept.
    private(set) var size = 0
    /// The first thing that was wrong. From then on nothing is kept.
    private(set) var fault: Fault?
    /// A line of the message, unstuffed, begins with ".".
    private(set) var hasLeadingDots = false

    init(maxSize: Int, maxLine: Int) {
        self.maxSize = maxSize
        self.maxLine = maxLine
    }

    /// Reads `bytes`, which follow those before, and appends the message's to `body`.
    ///
    /// - Returns: how many bytes were read: all of them, or up to the end of the message, and
    ///   whether that was found.
    mutating func scan(
        _ bytes: UnsafeRawBufferPointer, into body: inout ByteBuffer
    ) -> (consumed: Int, complete: Bool) {
        var i = 0
        // The bytes from here to i belong to the message and have not been copied.
        var run = 0
        while i < bytes.count {
            switch position {
            case .lineStart:
                position = .line
                if bytes[i] == dot {
                    keep(bytes, run..<i, in: &body)
                    i += 1
                    run = i
                    position = .dot
                }
            case .dot:
                if bytes[i] == cr {
                    i += 1
                    run = i
                    position = .dotCR
                } else {
                    if bytes[i] == dot { hasLeadingDots = true }
                    position = .line
                }
            case .dotCR:
                if bytes[i] == lf { return (i + 1, true) }
                // The CR that was held back is lost, and with it the message.
                fail(.bareCarriageReturn, &body)
                position = .line
            case .line:
                i = scanLine(bytes, from: i, &body)
            case .lineCR:
                if bytes[i] == lf {
                    i += 1
                    endLine(&body)
                } else {
                    fail(.bareCarriageReturn, &body)
                    position = .line
                }
            }
        }
        keep(bytes, run..<i, in: &body)
        return (i, false)
    }

    /// From inside a line to behind its end, or to the end of `bytes`; returns where that is.
    private mutating func scanLine(
        _ bytes: UnsafeRawBufferPointer, from start: Int, _ body: inout ByteBuffer
    ) -> Int {
        let newline = bytes.firstIndex(of: lf, in: start..<bytes.count)
        let end = newline ?? bytes.count
        lineLength += end - start
        if let first = bytes.firstIndex(of: cr, in: start..<end), first < end - 1 {
            fail(.bareCarriageReturn, &body)
        }
        let endsInCR = end > start && bytes[end - 1] == cr
        guard newline != nil else {
            if endsInCR { position = .lineCR }
            return end
        }
        if endsInCR {
            endLine(&body)
        } else {
            // The line goes on: a bare LF ends nothing.
            fail(.bareLineFeed, &body)
        }
        return end + 1
    }

    private mutating func endLine(_ body: inout ByteBuffer) {
        if lineLength + 1 > maxLine { fail(.lineTooLong, &body) }
        lineLength = 0
        position = .lineStart
    }

    private mutating func keep(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, in body: inout ByteBuffer
    ) {
        guard !range.isEmpty else { return }
        size += range.count
        if size > maxSize { fail(.tooLarge, &body) }
        // A line that never ends is noticed before it ends.
        if lineLength > maxLine { fail(.lineTooLong, &body) }
        guard fault == nil else { return }
        body.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }

    private mutating func fail(_ fault: Fault, _ body: inout ByteBuffer) {
        guard self.fault == nil else { return }
        self.fault = fault
        // Gives the memory back.
        body = ByteBuffer()
    }
}
