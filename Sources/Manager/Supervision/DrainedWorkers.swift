import Glibc
import Mail

/// Which workers were drained, and by whom: in a file of the data directory, so that a restart
/// gives them nothing either.
struct DrainedWorkers: Sendable {
    /// nil: kept in memory only.
    let path: String?

    init(directory: String?) {
        path = directory.map { $0 + "/drained-workers" }
    }

    /// A line for each: its number, a blank, who drained it. What cannot be read is nobody's
    /// decision any more.
    func read() -> [Int: String] {
        guard let path, let file = fopen(path, "r") else { return [:] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        let lines = String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n")
        return lines.reduce(into: [:]) { drained, line in
            let parts = line.split(separator: " ", maxSplits: 1)
            guard let number = parts.first.flatMap({ Int($0) }), (1...256).contains(number) else {
                return
            }
            drained[number] = parts.count > 1 ? SafeText(String(parts[1])).text : ""
        }
    }

    /// On disk when it returns; false where it could not be written.
    func write(_ drained: [Int: String]) -> Bool {
        guard let path else { return true }
        let partial = path + ".partial"
        guard let file = fopen(partial, "w") else { return false }
        var text = ""
        for (number, by) in drained.sorted(by: { $0.key < $1.key }) {
            text += "\(number) \(SafeText(by).text)\n"
        }
        let isWritten = fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0
        return fclose(file) == 0 && isWritten && rename(partial, path) == 0
    }
}
