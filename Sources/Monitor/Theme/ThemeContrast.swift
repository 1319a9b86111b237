import Terminal

/// Where a theme is harder to read than it promises, and where its colours cannot be told apart.
extension Theme {
    package struct Shortfall: Sendable, CustomStringConvertible {
        package let role: Role
        package let ground: Role
        package let contrast: Double
        package let required: Double
        /// Of the role, in its file.
        package let line: Int

        package var description: String {
            "roles.\(role.rawValue): its contrast on \(ground.rawValue) is "
                + "\(Double(Int(contrast * 100)) / 100):1, not \(required):1"
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
                            role: role, ground: ground, contrast: measured, required: required,
                            line: lines[role] ?? 1))
                }
            }
        }
        return found
    }

    /// Two states of a destination that look alike to some eyes.
    package struct Confusion: Sendable, CustomStringConvertible {
        package let roles: (Role, Role)
        package let vision: Vision
        package let difference: Double
        /// Of the second, in its file.
        package let line: Int

        package var description: String {
            let thousandths = Int((difference * 1000).rounded())
            let eyes = vision == .normal ? "" : " with \(vision.rawValue)"
            return "roles.\(roles.1.rawValue): looks like \(roles.0.rawValue)\(eyes): "
                + "0.\(String(thousandths + 1000).dropFirst()) apart, "
                + "\(Self.least) is the least"
        }

        /// In Oklab: twice what is just noticeable side by side.
        package static let least = 0.04
    }

    /// Measured with the 256 colours. A theme whose colours are the user's own, or that has none,
    /// tells states apart by glyphs and words alone, as every theme does besides.
    package func confusions() -> [Confusion] {
        let colors = Role.states.compactMap { role in
            Self.rgb(style(of: role, on: .text).foreground).map { (role, $0) }
        }
        var found: [Confusion] = []
        for (index, first) in colors.enumerated() {
            for second in colors[(index + 1)...] {
                for vision in Vision.allCases {
                    let difference = first.1.difference(from: second.1, to: vision)
                    if difference < Confusion.least {
                        found.append(
                            Confusion(
                                roles: (first.0, second.0), vision: vision,
                                difference: difference, line: lines[second.0] ?? 1))
                    }
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
