import Control
import Mail
import Testing

private func event(_ text: String) -> String {
    #"{"at":1,"kind":"worker","text":"\#(text)"}"#
}

@Suite(.timeLimit(.minutes(15))) struct ControlStreamTests {
    private func texts(_ reply: FakeDaemon.Reply) async throws -> [String] {
        try await FakeDaemon.serving({ _ in reply }) { daemon in
            var texts = [String]()
            for try await event in ControlClient(socket: daemon.socket, timeout: .seconds(600))
                .events()
            {
                texts.append(event.text)
            }
            return texts
        }
    }

    @Test func linesInOnePiece() async throws {
        let lines = event("a") + "\n" + event("b") + "\r\n\n" + event("c") + "\n"
        #expect(try await texts(.chunks([lines], end: true)) == ["a", "b", "c"])
    }

    @Test func everyCharacterByItself() async throws {
        let lines = (0..<5).map { event("é\($0)") + "\n" }.joined()
        let pieces = lines.map { String($0) }
        #expect(try await texts(.chunks(pieces, end: true)) == ["é0", "é1", "é2", "é3", "é4"])
    }

    @Test func noLines() async throws {
        #expect(try await texts(.chunks([], end: true)) == [])
    }

    @Test func daemonGoesAway() async throws {
        try await FakeDaemon.serving({ _ in .chunks([event("a") + "\n", "{\"at\""], end: false) }) {
            daemon in
            var events = ControlClient(socket: daemon.socket, timeout: .seconds(600)).events()
                .makeAsyncIterator()
            let first = try await events.next()
            #expect(first?.text == "a")
            let error = await #expect(throws: ControlError.self) { try await events.next() }
            #expect(error?.code == .noDaemon)
            let afterwards = try await events.next()
            #expect(afterwards == nil)
        }
    }

    @Test func nonsenseLine() async throws {
        let error = await #expect(throws: ControlError.self) {
            try await texts(.chunks(["nonsense\n"], end: true))
        }
        #expect(error?.code == .protocol)
    }

    @Test func endlessLine() async throws {
        let error = await #expect(throws: ControlError.self) {
            try await texts(
                .chunks(
                    Array(repeating: String(repeating: "x", count: 65_536), count: 40), end: true))
        }
        #expect(error?.code == .protocol)
    }

    @Test func refused() async throws {
        let body = #"{"code":"not-found","message":"no destination 9"}"#
        try await FakeDaemon.serving({ _ in .json(body, status: 404) }) { daemon in
            var requests = daemon.requests.makeAsyncIterator()
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            let error = await #expect(throws: APIError.self) {
                for try await _ in client.trace(destination: "9") {}
            }
            #expect(error?.code == "not-found")
            #expect(await requests.next()?.line == "GET /v1/trace?destination=9")
        }
    }

    @Test func silentDaemon() async throws {
        try await FakeDaemon.serving({ _ in .raw("", close: false) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .milliseconds(40))
            let error = await #expect(throws: ControlError.self) {
                for try await _ in client.events() {}
            }
            #expect(error?.code == .timeout)
        }
    }

    @Test func cancelled() async throws {
        let reply = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        try await FakeDaemon.serving({ _ in .raw(reply, close: false) }) { daemon in
            let client = ControlClient(socket: daemon.socket, timeout: .seconds(600))
            await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { for try await _ in client.events() {} }
                var requests = daemon.requests.makeAsyncIterator()
                _ = await requests.next()
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
        }
    }
}
