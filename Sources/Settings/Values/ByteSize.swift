/// Sizes as people write them: "50M". K, M and G are powers of 1024.
package enum ByteSize {
    private static let units: [(suffix: Character, bytes: Int)] = [
        ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10),
    ]

    /// A whole number, with or without one of K, M, G. nil for anything else.
    package static func parse(_ text: String) -> Int? {
        let unit = units.first { text.last == $0.suffix }
        let digits = unit == nil ? text[...] : text.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int(digits)
        else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: unit?.bytes ?? 1)
        return overflow ? nil : product
    }

    /// In the largest unit that divides it.
    package static func text(_ bytes: Int) -> String {
        for (suffix, size) in units where bytes >= size && bytes % size == 0 {
            return "\(bytes / size)\(suffix)"
        }
        return "\(bytes)"
    }
}
