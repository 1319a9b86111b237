import Foundation
import Glibc

@testable import Testbed

/// Debian's sshd on loopback, and an ssh that gets in with a key of its own.
struct SSHServer {
    /// The host's name for ssh, the same with a key that nobody has let in, and one where nobody
    /// listens.
    static let host = "mta1"
    static let closedTo = "stranger"
    static let away = "away"

    /// For `SLUICE_SSH`.
    let client: String
    /// sshd itself; its children are the connections.
    let pid: Int32

    static func start(in scene: Scene) async throws -> SSHServer {
        guard getuid() == 0 else {
            throw Program.Missing(description: "sshd has to be started by root")
        }
        let program = try Program.find("sshd", package: "openssh-server")
        let keygen = try Program.find("ssh-keygen", package: "openssh-client")
        // Where sshd puts its unprivileged process; made by the service's unit otherwise.
        mkdir("/run/sshd", 0o755)
        func file(_ name: String) -> String { scene.directory.file(name) }
        for key in ["host", "own", "other"] {
            let made = try await Program.run(
                keygen, ["-q", "-t", "ed25519", "-N", "", "-f", file("key-\(key)")])
            guard made.status == 0 else { throw Program.Missing(description: made.errors) }
        }
        let port = try PortReservation.freePort()
        let sluice = try Program.sluice
        let folder = URL(fileURLWithPath: sluice).deletingLastPathComponent().path
        try """
        ListenAddress 127.0.0.1
        Port \(port)
        HostKey \(file("key-host"))
        AuthorizedKeysFile \(file("key-own.pub"))
        PidFile none
        StrictModes no
        UsePAM no
        PermitRootLogin yes
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        SetEnv PATH=\(folder):/usr/bin:/bin

        """.write(toFile: file("sshd_config"), atomically: true, encoding: .utf8)
        let hostKey = contents(file("key-host.pub")).split(separator: " ").prefix(2)
        try "[127.0.0.1]:\(port) \(hostKey.joined(separator: " "))\n".write(
            toFile: file("known_hosts"), atomically: true, encoding: .utf8)
        try """
        Host *
            HostName 127.0.0.1
            Port \(port)
            User \(NSUserName())
            IdentitiesOnly yes
            UserKnownHostsFile \(file("known_hosts"))
            LogLevel ERROR
        Host \(host)
            IdentityFile \(file("key-own"))
        Host \(closedTo)
            IdentityFile \(file("key-other"))
        Host \(away)
            ProxyCommand false

        """.write(toFile: file("ssh_config"), atomically: true, encoding: .utf8)
        let client = file("ssh")
        try "#!/bin/sh\nexec ssh -F \(file("ssh_config")) \"$@\"\n".write(
            toFile: client, atomically: true, encoding: .utf8)
        chmod(client, 0o755)
        let server = try scene.process(
            program, ["-f", file("sshd_config"), "-D", "-e"], log: "sshd.log")
        try await waitUntil("sshd lets in") {
            if let ending = server.ending {
                throw Program.Missing(
                    description: "sshd ended: \(ending)\n\(contents(file("sshd.log")))")
            }
            return try await Program.run(client, ["-o", "BatchMode=yes", host, "true"]).status == 0
        }
        return SSHServer(client: client, pid: server.pid)
    }
}
