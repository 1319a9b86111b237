/// Where the control socket is.
package enum SocketPath {
    package static let standard = "/run/sluice/control.sock"

    /// The option, else `SLUICE_SOCKET`, else the standard place. Empty ones do not count.
    package static func resolve(option: String?, environment: String?) -> String {
        for path in [option, environment] {
            if let path, !path.isEmpty { return path }
        }
        return standard
    }
}
