import Foundation
import Mail
import NIOCore
import Synchronization
import Testing

@testable import Control

private let emptyPage = #"{"version":1,"at":1.5,"total":0,"offset":0,"rows":[]}"#

/// What `body` throws, as a `ControlError`.
private func controlError(_ body: () async throws -> some Any) async -> ControlError? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error as? ControlError
    }
}

@Suite(.timeLimit(.minutes(15))) struct ControlClientTests {
    @Test func targets() async throws {
        try await FakeDaemon.serving({ _ in .json(emptyPage) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            var requests = daemon.requests.makeAsyncIterator()
            let answer = try await client.destinations(
                filter: "domain = é.com and age > 1h", sort: "queued", descending: true, limit: 20,
                offset: 40)
            #expect(answer.total == 0 && answer.at == UnixTime(milliseconds: 1500))
            #expect(
                await requests.next()?.line
                    == "GET /v1/destinations?filter=domain%20%3D%20%C3%A9.com%20and%20age%20%3E%201h"
                    + "&sort=-queued&limit=20&offset=40")
            _ = try await client.messages(sort: "age")
            #expect(await requests.next()?.line == "GET /v1/messages?sort=age&limit=100")
            _ = try await client.workers()
            #expect(await requests.next()?.line == "GET /v1/workers")
            _ = try await client.actions(limit: 5)
            #expect(await requests.next()?.line == "GET /v1/actions?limit=5")
            _ = try? await client.message("../x?y#z")
            #expect(await requests.next()?.line == "GET /v1/messages/..%2Fx%3Fy%23z")
            _ = try? await client.apply("p/1", ApplyRequest(count: 3))
            let apply = await requests.next()
            #expect(apply?.line == "POST /v1/plans/p%2F1/apply")
            #expect(apply?.body == #"{"count":3}"#)
            _ = try? await client.undo("7")
            let undo = await requests.next()
            #expect(undo?.line == "POST /v1/actions/7/undo" && undo?.body == "")
            try await client.reload()
            #expect(await requests.next()?.line == "POST /v1/reload")
        }
    }

    @Test func connectionsAreReused() async throws {
        try await FakeDaemon.serving({ _ in .json(emptyPage) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            var requests = daemon.requests.makeAsyncIterator()
            for _ in 0..<3 {
                _ = try await client.workers()
                #expect(await requests.next()?.connection == 1)
            }
            // An action never goes over a kept connection.
            _ = try? await client.undo("1")
            #expect(await requests.next()?.connection == 2)
        }
    }

    @Test func closedConnectionIsReplaced() async throws {
        let reply = "HTTP/1.1 200 OK\r\ncontent-length: \(emptyPage.utf8.count)\r\n\r\n\(emptyPage)"
        try await FakeDaemon.serving({ _ in .raw(reply, close: true) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            for _ in 0..<5 { _ = try await client.workers() }
        }
    }

    @Test func concurrentRequests() async throws {
        try await FakeDaemon.serving({ _ in .json(emptyPage) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<20 { group.addTask { _ = try await client.workers() } }
                try await group.waitForAll()
            }
        }
    }

    @Test func apiErrors() async throws {
        let body = #"{"code":"bad-filter","message":"unknown field","position":3}"#
        try await FakeDaemon.serving({ _ in .json(body, status: 400) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            let error = await #expect(throws: APIError.self) { try await client.destinations() }
            #expect(error?.code == "bad-filter" && error?.position == 3)
            await #expect(throws: APIError.self) { try await client.reload() }
            let refused = await #expect(throws: SubmissionRefused.self) {
                try await client.submit(ByteBuffer(string: "x"), from: "", to: ["a@b.example"])
            }
            #expect(refused?.status == 400)
        }
    }

    @Test func submit() async throws {
        try await FakeDaemon.serving({ _ in .json(#"{"id":"1a2b"}"#, status: 201) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            var requests = daemon.requests.makeAsyncIterator()
            let id = try await client.submit(
                ByteBuffer(string: "Subject: x\r\n\r\n"), from: "",
                to: ["a+b@example.com", "\"c d\"@example.net"])
            #expect(id == "1a2b")
            let request = await requests.next()
            #expect(
                request?.line == "POST /v1/messages?from=&rcpt=a%2Bb%40example.com"
                    + "&rcpt=%22c%20d%22%40example.net")
            #expect(request?.body == "Subject: x\r\n\r\n")
            let many = Array(repeating: String(repeating: "a", count: 60), count: 1500)
            let error = await #expect(throws: APIError.self) {
                try await client.submit(ByteBuffer(string: "x"), from: "", to: many)
            }
            #expect(error?.code == "too-long")
        }
    }

    @Test(arguments: [
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: nonsense\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n\u{0}\u{1}\u{2}",
        "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"version\":1,",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"ver",
        "HTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops",
        "HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{0}",
    ])
    func nonsense(bytes: String) async throws {
        try await FakeDaemon.serving({ _ in .raw(bytes, close: true) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            let error = await controlError { try await client.workers() }
            #expect(error?.code == .protocol, "\(String(describing: error))")
            #expect(error?.message.hasPrefix(daemon.socket) == true)
        }
    }

    @Test func closesWithoutAnswer() async throws {
        try await FakeDaemon.serving({ _ in .raw("", close: true) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            #expect(await controlError { try await client.workers() }?.code == .noDaemon)
        }
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"version\""])
    func slowAnswer(bytes: String) async throws {
        try await FakeDaemon.serving({ _ in .raw(bytes, close: false) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .milliseconds(40))
            let error = await controlError { try await client.status() }
            #expect(error?.code == .timeout)
            #expect(error?.message.contains("GET /v1/status") == true)
        }
    }

    @Test func cancelled() async throws {
        try await FakeDaemon.serving({ _ in .raw("", close: false) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await client.status() }
                var requests = daemon.requests.makeAsyncIterator()
                _ = await requests.next()
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
        }
    }

    @Test func noSocket() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/none.sock"
            let error = await controlError { try await ControlClient(socket: path).status() }
            #expect(error?.code == .noDaemon)
            #expect(error?.message.contains("is sluiced running") == true)
        }
    }

    @Test func staleSocket() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/stale.sock"
            #expect(StaleSocket.leave(path))
            let error = await controlError { try await ControlClient(socket: path).status() }
            #expect(error?.code == .noDaemon)
            #expect(error?.message.contains("nobody listens") == true)
        }
    }

    @Test func notASocket() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/file"
            #expect(FileManager.default.createFile(atPath: path, contents: Data()))
            let error = await controlError { try await ControlClient(socket: path).status() }
            #expect(error?.code == .noDaemon)
        }
    }

    @Test func longPath() async throws {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        let error = await controlError { try await ControlClient(socket: path).status() }
        #expect(error?.code == .noDaemon)
        #expect(error?.message.contains("too long") == true)
    }

    @Test func permissionDenied() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/closed.sock"
            #expect(StaleSocket.leave(path))
            let denied = IOError(errnoCode: EACCES, reason: "connect")
            #expect(chmod(path, 0o660) == 0)
            let forGroup = ControlError.connecting(to: path, denied)
            #expect(forGroup.code == .notAllowed)
            #expect(forGroup.message.contains("usermod -aG"))
            #expect(chmod(path, 0o600) == 0)
            #expect(ControlError.connecting(to: path, denied).message.contains("only its owner"))
            let hidden = ControlError.connecting(to: directory + "/no/such.sock", denied)
            #expect(hidden.message.contains("directory"))
        }
    }
}

/// Sockets that NIO would clean up.
enum StaleSocket {
    /// Leaves a socket at `path` on which nobody listens.
    static func leave(_ path: String) -> Bool {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
