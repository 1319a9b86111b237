import Glibc

/// `sluice.toml`, read and checked. `docs/sluice.toml` explains every key.
///
/// Codable, so that the manager can hand it to its workers.
package struct Configuration: Hashable, Sendable, Codable {
    /// What this host calls itself in EHLO, greetings and Received headers.
    package var hostname = Configuration.systemHostname
    /// Absolute.
    package var dataDirectory = "/var/lib/sluice"
    /// Absolute.
    package var controlSocket = "/run/sluice/control.sock"
    /// Processes that deliver.
    package var workers = Configuration.coreCount
    /// The shares of the workers, in their order, relative to 1; what is missing is 1.
    package var workerWeights: [Double] = []

    package var spool = SpoolSettings()
    package var cluster = ClusterSettings()
    package var control = ControlSettings()
    package var intake = IntakeSettings()
    package var routing = RoutingSettings()
    package var dns = DNSSettings()
    package var limits = LimitKeys()
    package var retry = RetryKeys()
    package var shaping: [ShapingRule] = []
    /// The operator's; those that Sluice brings along come after them.
    package var rules: [ReplyRule] = []
    package var builtInRules = true
    package var tls = TLSSettings()
    package var delivery = DeliverySettings()
    package var log = LogSettings()
    package var undo = UndoSettings()
    package var supervision = SupervisionSettings()

    /// What an empty file says.
    package init() {}

    package static let workerRange = 1...256
    package static let weightRange = 0.0...64

    package func weight(of worker: Int) -> Double {
        workerWeights.indices.contains(worker - 1) ? workerWeights[worker - 1] : 1
    }

    private static var coreCount: Int {
        min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), workerRange.upperBound)
    }

    private static var systemHostname: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0 else { return "localhost" }
        let text = String(
            decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return HostName.canonical(text) ?? "localhost"
    }
}
