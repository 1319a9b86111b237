import Control
import Monitor
import NIOCore
import Settings

extension FuzzTarget {
    /// A configuration: every problem names its line, and what is taken goes to the workers as it
    /// is.
    static let config = FuzzTarget("config", maximumLength: 4096) { bytes in
        let text = FuzzInput(bytes).text
        do {
            let configuration = try Configuration.load(text: text, file: "/etc/sluice.toml")
            let sent = try JSON.encode(configuration)
            let received = try JSON.decode(Configuration.self, from: sent)
            try demandEqual(received, configuration, "A worker gets another configuration")
        } catch let error as SettingsError {
            try demandPlaced(error, in: text)
        }
    }

    /// A theme of the monitor.
    static let theme = FuzzTarget("theme", maximumLength: 4096) { bytes in
        let text = FuzzInput(bytes).text
        do {
            _ = try Theme(text: text, file: "dusk.toml")
        } catch let error as SettingsError {
            try demandPlaced(error, in: text)
        }
    }

    private static func demandPlaced(_ error: SettingsError, in text: String) throws {
        try demand(!error.problems.isEmpty, "An error without a problem")
        let lines = text.utf8.count { $0 == 10 } + 1
        for problem in error.problems {
            try demand(!problem.message.isEmpty, "A problem without a message")
            if let line = problem.line {
                try demand((1...lines).contains(line), "Line \(line) of \(lines): \(problem)")
            }
            try demandSafe(problem.description)
        }
    }
}
