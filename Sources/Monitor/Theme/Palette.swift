import Glibc
import Terminal

/// Red, green and blue, 0…255 each, in sRGB.
package struct RGB: Hashable, Sendable {
    package var red: UInt8
    package var green: UInt8
    package var blue: UInt8

    package init(red: UInt8, green: UInt8, blue: UInt8) {
        self.red = red
        self.green = green
        self.blue = blue
    }

    /// `#rrggbb`.
    package init?(hex: String) {
        let digits = hex.utf8.dropFirst()
        guard hex.utf8.first == UInt8(ascii: "#"), digits.count == 6,
            let value = UInt32(String(digits) ?? "", radix: 16)
        else { return nil }
        red = UInt8(value >> 16)
        green = UInt8(value >> 8 & 0xFF)
        blue = UInt8(value & 0xFF)
    }

    private var linear: (red: Double, green: Double, blue: Double) {
        func decode(_ channel: UInt8) -> Double {
            let value = Double(channel) / 255
            return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
        return (decode(red), decode(green), decode(blue))
    }

    /// WCAG 2.2, relative luminance, 0…1.
    package var luminance: Double {
        let (red, green, blue) = linear
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// WCAG 2.2, contrast ratio, 1…21.
    package func contrast(with other: RGB) -> Double {
        let (a, b) = (luminance, other.luminance)
        return (max(a, b) + 0.05) / (min(a, b) + 0.05)
    }

    /// Oklab (https://bottosson.github.io/posts/oklab/): equal distances look equally different.
    private var oklab: Oklab { Oklab(linear) }

    private func distance(to other: RGB) -> Double { oklab.distance(to: other.oklab) }

    /// How different two colours look, in Oklab: 0.02 is just noticeable side by side.
    package func difference(from other: RGB, to vision: Vision) -> Double {
        vision.sees(linear).distance(to: vision.sees(other.linear)).squareRoot()
    }

    /// The nearest of the colours 16…255, which are the same everywhere; 0…15 are the user's.
    package var quantised: UInt8 {
        if let exact = (UInt8(16)...255).first(where: { RGB(index: $0) == self }) { return exact }
        var best: UInt8 = 16
        var least = Double.infinity
        for index in UInt8(16)...255 {
            let distance = distance(to: RGB(index: index))
            if distance < least {
                least = distance
                best = index
            }
        }
        return best
    }

    /// One of xterm's colours 16…255: a cube of six steps, then a ramp of greys.
    package init(index: UInt8) {
        if index >= 232 {
            let grey = 8 + 10 * (index - 232)
            self.init(red: grey, green: grey, blue: grey)
            return
        }
        let steps: [UInt8] = [0, 95, 135, 175, 215, 255]
        let cube = Int(index) - 16
        self.init(red: steps[cube / 36], green: steps[cube / 6 % 6], blue: steps[cube % 6])
    }
}

/// A colour by how it looks.
private struct Oklab {
    let l, a, b: Double

    init(_ linear: (red: Double, green: Double, blue: Double)) {
        let (red, green, blue) = linear
        let long = cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
        let middle = cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
        let short = cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
        l = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
        a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
        b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    }

    /// Squared.
    func distance(to other: Oklab) -> Double {
        let (l, a, b) = (l - other.l, a - other.a, b - other.b)
        return l * l + a * a + b * b
    }
}

/// Whose eyes. The two deficiencies are about one in twelve men's.
package enum Vision: String, CaseIterable, Sendable {
    case normal
    case protanopia
    case deuteranopia

    /// Linear RGB as these eyes see it. The matrices are those of Machado, Oliveira and Fernandes,
    /// "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009), at full
    /// severity.
    fileprivate func sees(_ color: (red: Double, green: Double, blue: Double)) -> Oklab {
        let rows: [(Double, Double, Double)]
        switch self {
        case .normal: return Oklab(color)
        case .protanopia:
            rows = [
                (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216),
                (-0.003882, -0.048116, 1.051998),
            ]
        case .deuteranopia:
            rows = [
                (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413),
                (-0.011820, 0.042940, 0.968881),
            ]
        }
        let seen = rows.map { row in
            min(1, max(0, row.0 * color.red + row.1 * color.green + row.2 * color.blue))
        }
        return Oklab((seen[0], seen[1], seen[2]))
    }
}

/// The sixteen colours that every palette has, by name; what they look like is the user's.
enum ANSIColor {
    static let names = [
        "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white", "bright-black",
        "bright-red", "bright-green", "bright-yellow", "bright-blue", "bright-magenta",
        "bright-cyan", "bright-white",
    ]

    /// `default` or one of the names.
    static func color(_ name: some StringProtocol) -> Color? {
        if name == "default" { return .terminal }
        return names.firstIndex { $0 == name }.map { Color(UInt8($0)) }
    }
}
