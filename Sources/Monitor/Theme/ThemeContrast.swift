import Terminal

/// Where a theme is harder to read than it promises.
extension Theme {
    package struct Shortfall: Sendable, CustomStringConvertible {
        package let role: Role
        package let ground: Role
        package let contrast: Double
        package let required: Double

        package var description: String {
            "\(role.rawValue) on \(ground.rawValue): \(Double(Int(contrast * 100)) / 100)"
                + ", \(required) promised"
        }
    }

    /// Measured with the 256 colours, as they come out on the screen. Colours of the user's own
    /// palette have no known contrast and are passed over.
    package func shortfalls() -> [Shortfall] {
        guard let contrast else { return [] }
        var found: [Shortfall] = []
        for role in Role.allCases {
            let required: Double
            switch role.kind {
            case .decoration: continue
            case .picture: required = 3
            case .surface, .text: required = contrast
            }
            for ground in role.grounds {
                let style = style(of: role, on: ground)
                guard let fore = Self.rgb(style.foreground), let back = Self.rgb(style.background)
                else { continue }
                let measured = fore.contrast(with: back)
                if measured < required {
                    found.append(
                        Shortfall(
                            role: role, ground: ground, contrast: measured, required: required))
                }
            }
        }
        return found
    }

    private func style(of role: Role, on ground: Role) -> Style {
        let base = self.ground(.full)
        // The cursor row is tinted after its text is drawn.
        return ground == .selection
            ? ink(.selection, .full).over(ink(role, .full).over(base))
            : ink(role, .full).over(ink(ground, .full).over(base))
    }

    private static func rgb(_ color: Color) -> RGB? {
        color.index >= 16 ? RGB(index: UInt8(color.index)) : nil
    }
}
