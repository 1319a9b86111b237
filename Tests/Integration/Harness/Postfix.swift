import Foundation
import Glibc

@testable import Testbed

/// Debian's Postfix, an instance of its own in the scene's directory: takes mail for postfix.test
/// and puts it into a Maildir.
struct Postfix {
    let port: Int
    private let maildir: String
    private let logFile: String

    /// What it has logged so far.
    var log: String { contents(logFile) }

    static func start(in scene: Scene) async throws -> Postfix {
        guard getuid() == 0 else {
            throw Program.Missing(description: "Postfix's master has to be started by root")
        }
        let base = scene.directory.file("postfix")
        let port = try PortReservation.freePort()
        let files = FileManager.default
        for folder in ["etc", "spool", "data", "mail"] {
            try files.createDirectory(
                atPath: "\(base)/\(folder)", withIntermediateDirectories: true)
        }
        // Its processes run as users of their own.
        chmod(scene.directory.path, 0o755)
        let postfixUser = try user("postfix")
        let nobody = try user("nobody")
        chown("\(base)/data", postfixUser.uid, postfixUser.gid)
        chown("\(base)/mail", nobody.uid, nobody.gid)
        try """
        compatibility_level = 3.6
        queue_directory = \(base)/spool
        data_directory = \(base)/data
        inet_interfaces = loopback-only
        inet_protocols = ipv4
        myhostname = mx.postfix.test
        mydestination =
        mynetworks = 127.0.0.0/8
        alias_maps =
        alias_database =
        local_header_rewrite_clients =
        virtual_mailbox_domains = postfix.test
        virtual_mailbox_base = \(base)/mail
        virtual_mailbox_maps = static:box/
        virtual_minimum_uid = 1
        virtual_uid_maps = static:\(nobody.uid)
        virtual_gid_maps = static:\(nobody.gid)
        maillog_file = \(base)/maillog
        maillog_file_prefixes = \(base)

        """.write(toFile: "\(base)/etc/main.cf", atomically: true, encoding: .utf8)
        try services(port: port).write(
            toFile: "\(base)/etc/master.cf", atomically: true, encoding: .utf8)
        let program = try Program.find("postfix", package: "postfix")
        let check = try await Program.run(program, ["-c", "\(base)/etc", "check"])
        guard check.status == 0 else { throw Program.Missing(description: check.errors) }
        let daemons = try await Program.run(
            try Program.find("postconf", package: "postfix"),
            ["-c", "\(base)/etc", "-h", "daemon_directory"])
        let master = try scene.process(
            daemons.output.trimmingCharacters(in: .whitespacesAndNewlines) + "/master",
            ["-c", "\(base)/etc", "-d"], log: "postfix.log")
        try await waitUntil("Postfix greets") {
            if let ending = master.ending {
                throw Program.Missing(
                    description: "Postfix ended: \(ending)\n\(contents("\(base)/maillog"))")
            }
            return
                (try? await Conversation.with(host: "127.0.0.1", port: port, group: scene.group) {
                    try await $0.reply().code
                }) == 220
        }
        return Postfix(
            port: port, maildir: "\(base)/mail/box/new", logFile: "\(base)/maillog")
    }

    private static func user(_ name: String) throws -> (uid: uid_t, gid: gid_t) {
        guard let entry = getpwnam(name) else {
            throw Program.Missing(description: "no user \(name): apt-get install postfix")
        }
        return (entry.pointee.pw_uid, entry.pointee.pw_gid)
    }

    /// Debian's, with one SMTP port and without the chroot, in which there would have to be copies
    /// of /etc.
    private static func services(port: Int) -> String {
        contents("/usr/share/postfix/master.cf.dist").split(separator: "\n").compactMap { line in
            var fields = line.split(separator: " ").map(String.init)
            guard let first = line.first, !"# \t".contains(first), fields.count > 7 else {
                return nil
            }
            if fields[1] == "inet" {
                guard fields[0] == "smtp" else { return nil }
                fields[0] = "127.0.0.1:\(port)"
            }
            fields[4] = "n"
            return fields.joined(separator: " ")
        }.joined(separator: "\n") + "\n"
    }

    /// The messages in the mailbox, as Postfix wrote them: with LF line ends.
    func messages() -> [Data] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: maildir)) ?? []
        return names.sorted().compactMap {
            FileManager.default.contents(atPath: "\(maildir)/\($0)")
        }
    }
}
