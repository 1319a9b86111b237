import CTerminal
import Glibc

/// Whether a terminal's ground is light or dark.
package enum TerminalGround: String, Hashable, Sendable {
    case light
    case dark

    /// How long the terminal may take, in milliseconds.
    package static let patience = 120

    /// What the terminal says, else what the environment does (`COLORFGBG`, as rxvt and others set
    /// it: "15;0"), else nil.
    ///
    /// Asks before anything else takes the terminal, and leaves it as it was. Keys that are typed
    /// meanwhile are returned, to be decoded as if they came later.
    package static func ask(
        name: String, input: Int32, output: Int32, colorfgbg: String?,
        patience: Int = Self.patience
    ) -> (ground: TerminalGround?, typed: [UInt8]) {
        let reply = answer(name: name, input: input, output: output, patience: patience)
        let said = reply?.ground.map {
            TerminalGround(red: $0.red, green: $0.green, blue: $0.blue)
        }
        return (said ?? colorfgbg.flatMap(TerminalGround.init(colorfgbg:)), reply?.typed ?? [])
    }

    /// Light is what black text is easier to read on: a relative luminance above 0.18 (WCAG 2.2).
    init(red: Double, green: Double, blue: Double) {
        func linear(_ value: Double) -> Double {
            value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
        let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
        self = luminance > 0.18 ? .light : .dark
    }

    /// The last number is the ground's: 7 and 9 to 15 are light in the palettes that set it.
    package init?(colorfgbg: String) {
        guard let last = colorfgbg.split(separator: ";").last, let index = Int(last),
            (0...15).contains(index)
        else { return nil }
        self = index == 7 || index >= 9 ? .light : .dark
    }

    private static func answer(
        name: String, input: Int32, output: Int32, patience: Int
    ) -> GroundReply? {
        guard isatty(input) == 1, isatty(output) == 1, ct_understands_modes(name) == 1
        else { return nil }
        // In the background it would be stopped for touching the terminal; one that is not the
        // process's own (-1) stops nobody.
        let foreground = tcgetpgrp(input)
        guard foreground == -1 || foreground == getpgrp() else { return nil }
        var before = termios()
        guard tcgetattr(input, &before) == 0 else { return nil }
        var raw = before
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO)
        guard tcsetattr(input, TCSANOW, &raw) == 0 else { return nil }
        defer { tcsetattr(input, TCSANOW, &before) }
        guard write(output, GroundReply.question, GroundReply.question.count) > 0 else {
            return nil
        }

        var reply = GroundReply()
        let deadline = ContinuousClock.now + .milliseconds(patience)
        while !reply.isComplete {
            let left = deadline - .now
            guard left > .zero else { break }
            let (seconds, attoseconds) = left.components
            var polled = pollfd(fd: input, events: Int16(POLLIN), revents: 0)
            let wait = Int32(seconds) * 1000 + Int32(attoseconds / 1_000_000_000_000_000) + 1
            guard poll(&polled, 1, wait) > 0 else { break }
            let count = withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { buffer in
                let count = Glibc.read(input, buffer.baseAddress, buffer.count)
                if count > 0 { reply.feed(buffer[..<count]) }
                return count
            }
            guard count > 0 else { break }
        }
        reply.giveUp()
        return reply
    }
}
