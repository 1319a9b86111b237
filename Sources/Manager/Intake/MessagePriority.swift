import Glibc
import Mail
import NIOCore
import Settings

extension Dispatcher {
    /// The priority of a message: what its header says, where that is listened to, else its
    /// listener's.
    func priority(of message: ByteBuffer, listener: Int?) -> Int {
        let settings = configuration.intake
        let own = listener.flatMap {
            settings.listeners.indices.contains($0) ? settings.listeners[$0] : nil
        }
        let fallback = own?.priority ?? settings.priority
        let headers = own?.priorityHeaders ?? settings.priorityHeaders
        return message.priority(by: headers) ?? fallback
    }
}

extension ByteBuffer {
    /// Bytes of a header section that are looked at.
    private static let longestHeader = 64 << 10

    /// What the first of these fields says that is there and means something.
    func priority(by headers: [PriorityHeader]) -> Int? {
        guard !headers.isEmpty else { return nil }
        var best: (place: Int, level: Int)?
        withUnsafeReadableBytes { bytes in
            var start = 0
            let end = min(bytes.count, Self.longestHeader)
            while start < end {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                let newline = memchr(rest.baseAddress!, 0x0A, rest.count).map {
                    rest.baseAddress!.distance(to: UnsafeRawPointer($0))
                }
                let line = UnsafeRawBufferPointer(rebasing: rest[..<(newline ?? rest.count)])
                // The header ends with an empty line.
                if line.isEmpty || line.count == 1 && line[0] == 0x0D { return }
                for (place, header) in headers.enumerated() where place < best?.place ?? .max {
                    let name = header.rawValue.utf8
                    guard Self.begins(line, with: name) else { continue }
                    let value = String(decoding: line[(name.count + 1)...], as: UTF8.self)
                    let trimmed = value.trimmingASCIISpace
                    if let level = headers[place].level(of: trimmed) { best = (place, level) }
                }
                start += line.count + 1
            }
        }
        return best?.level
    }

    /// In any case; a colon follows it.
    private static func begins(
        _ line: UnsafeRawBufferPointer, with name: String.UTF8View
    ) -> Bool {
        guard line.count > name.count, line[name.count] == UInt8(ascii: ":") else { return false }
        func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte }
        for (index, byte) in name.enumerated() where lower(line[index]) != lower(byte) {
            return false
        }
        return true
    }
}

extension String {
    fileprivate var trimmingASCIISpace: String {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
        return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
