import Glibc
import NIOCore
import NIOPosix
import Testing

@testable import Control

@Suite struct TunnelTests {
    private struct Refused: Error {}

    /// The socket with the descriptor, if it is still that one.
    private func inode(_ descriptor: CInt) -> ino_t? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_ino : nil
    }

    @Test func nothingIsLeftWhereNoChannelTakesIt() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        // Waits for ever, with its input open or not.
        let tunnel = try Tunnel(
            host: "nowhere", socket: nil, loop: loop, program: "/usr/bin/yes")
        var socket: (descriptor: CInt, inode: ino_t?)?
        await #expect(throws: Refused.self) {
            try await tunnel.open { descriptor in
                socket = (descriptor, inode(descriptor))
                throw Refused()
            }
        }
        let before = try #require(socket)
        #expect(before.inode != nil)
        #expect(inode(before.descriptor) != before.inode)
        // It has been waited for: there is no such child any more.
        #expect(waitpid(tunnel.pid, nil, WNOHANG) == -1 && errno == ECHILD)
        // They are known, whatever it said of its output that was closed.
        _ = await tunnel.lastWords
    }

    @Test func aChannelThatFailsLaterEndsItItself() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let tunnel = try Tunnel(host: "nowhere", socket: nil, loop: loop, program: "/bin/cat")
        await #expect(throws: Refused.self) {
            try await tunnel.open { descriptor in
                try await ClientBootstrap(group: loop).withConnectedSocket(descriptor) { channel in
                    tunnel.taken(by: channel)
                    return channel.eventLoop.makeFailedFuture(Refused()) as EventLoopFuture<Void>
                }
            }
        }
        _ = await tunnel.lastWords
        #expect(waitpid(tunnel.pid, nil, WNOHANG) == -1 && errno == ECHILD)
    }
}
