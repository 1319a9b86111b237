/// Where a daemon's control API is reached.
package enum DaemonAddress: Hashable, Sendable, CustomStringConvertible {
    /// The path of its socket on this machine.
    case socket(String)
    /// Through ssh, which runs `sluice proxy` on the host: nothing has to listen on the network.
    /// `socket` is a path there; nil: where it is by default.
    case ssh(host: String, socket: String?)

    /// What messages begin with.
    package var description: String {
        switch self {
        case .socket(let path): path
        case .ssh(let host, _): host
        }
    }
}
