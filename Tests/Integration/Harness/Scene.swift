import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testbed
import Testing

/// What a test starts, in one directory; all of it is ended and removed with the test.
final class Scene: Sendable {
    let directory: TemporaryDirectory
    let group = MultiThreadedEventLoopGroup.singleton
    private let parts = Mutex(Parts())

    private struct Parts {
        var receivers: [Receiver] = []
        var daemons: [Daemon] = []
        var processes: [DaemonProcess] = []
    }

    fileprivate init() throws {
        directory = try TemporaryDirectory(prefix: "sluice-test")
    }

    func receiver(
        _ name: String, _ manner: ReceiverManner = .fast, host: String = "127.0.0.1",
        port: Int = 0, seed: UInt64 = 1, keep: Keep = .messages
    ) async throws -> Receiver {
        let receiver = try await Receiver(
            name: name, manner: manner, host: host, port: port, group: group, seed: seed,
            keep: keep)
        parts.withLock { $0.receivers.append(receiver) }
        return receiver
    }

    /// A daemon that is not started yet.
    func idleDaemon(
        _ settings: DaemonSettings, name: String = "mta", logFile: String? = nil
    ) throws -> Daemon {
        let daemon = try Daemon(name: name, in: directory, settings, logFile: logFile)
        parts.withLock { $0.daemons.append(daemon) }
        return daemon
    }

    func daemon(
        _ settings: DaemonSettings, name: String = "mta", logFile: String? = nil
    ) async throws -> Daemon {
        let daemon = try idleDaemon(settings, name: name, logFile: logFile)
        try await daemon.start()
        return daemon
    }

    /// Another server; ended with its group.
    func process(_ path: String, _ arguments: [String], log: String) throws -> DaemonProcess {
        let process = try DaemonProcess(
            path: path, arguments: arguments, log: directory.file(log), eventLoop: group.next())
        parts.withLock { $0.processes.append(process) }
        return process
    }

    fileprivate func tearDown() async {
        let parts = parts.withLock { $0 }
        for daemon in parts.daemons { await daemon.tearDown() }
        for process in parts.processes { await process.terminate(grace: .seconds(5)) }
        for receiver in parts.receivers { await receiver.shutDown() }
        directory.remove()
    }

    // MARK: Mail

    /// Hands messages in over one connection; throws unless each is taken for all recipients.
    func send(_ mails: [TestMail], to port: Int) async throws {
        try await Conversation.with(host: "127.0.0.1", port: port, group: group) { client in
            try await client.greet(as: "app.sender.test")
            for mail in mails {
                let outcome = try await client.send(
                    from: mail.sender, to: mail.recipients, mail.content)
                guard case .taken(let taken) = outcome, taken == mail.recipients else {
                    throw TestbedError.refused("message \(mail.id)", "\(outcome)")
                }
            }
            _ = try await client.command("QUIT")
        }
    }

    func send(_ mail: TestMail, to port: Int) async throws {
        try await send([mail], to: port)
    }
}

/// Runs a test in a scene of its own and cleans up however it ends.
func withScene(_ body: (Scene) async throws -> Void) async throws {
    let scene = try Scene()
    let result: Result<Void, any Error>
    do {
        result = .success(try await body(scene))
    } catch {
        result = .failure(error)
    }
    await scene.tearDown()
    try result.get()
}

/// One message; its id is in the header, so that receivers can account for it.
struct TestMail: Sendable {
    var id: String
    var sender: String
    var recipients: [String]
    var content: ByteBuffer

    init(
        _ id: String, from sender: String = "app@sender.test", to recipients: String...,
        body: String = "Hello.\r\n"
    ) {
        self.init(id, from: sender, to: recipients, body: body)
    }

    init(
        _ id: String, from sender: String = "app@sender.test", to recipients: [String],
        body: String = "Hello.\r\n"
    ) {
        self.id = id
        self.sender = sender
        self.recipients = recipients
        content = ByteBuffer(
            string: """
                From: <app@sender.test>\r
                To: \(recipients.map { "<\($0)>" }.joined(separator: ",\r\n\t"))\r
                Subject: Message \(id)\r
                Date: Tue, 24 Nov 2026 10:00:00 +0000\r
                Message-ID: <\(id)@sender.test>\r
                X-Testbed-ID: \(id)\r
                \r
                \(body)
                """)
    }
}

extension CapturedMessage {
    var text: String { String(buffer: content) }

    /// The fields that a relay put before the message: the first one and its folded lines, and what
    /// follows them.
    var trace: (field: String, rest: ByteBuffer) {
        var rest = content
        var field = ""
        while let end = rest.readableBytesView.firstIndex(of: UInt8(ascii: "\n")) {
            let next = rest.readableBytesView.first
            guard field.isEmpty || next == UInt8(ascii: " ") || next == UInt8(ascii: "\t") else {
                break
            }
            field += rest.readString(length: end - rest.readerIndex + 1) ?? ""
        }
        return (field, rest)
    }
}

extension Receiver {
    /// Waits until so many messages were taken.
    func takes(_ count: Int) async throws {
        do {
            try await waitUntil("\(name) takes \(count) messages") {
                statistics.messages >= count
            }
        } catch {
            throw Overdue(description: "\(error); it has \(statistics.messages)")
        }
    }

    var captured: [CapturedMessage] { statistics.captured }
}
