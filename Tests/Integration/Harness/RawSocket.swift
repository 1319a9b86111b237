import NIOCore
import NIOPosix
import Testbed

/// Bytes into the control socket, and whatever comes back before it is closed.
enum RawSocket {
    /// Sends everything, then ends its own half; what was read, once the other end closes.
    static func exchange(_ path: String, _ bytes: [UInt8]) async throws -> String {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            var answer = ByteBuffer()
            // The daemon may hang up before it has read all of it.
            try? await outbound.write(ByteBuffer(bytes: bytes))
            outbound.finish()
            do {
                for try await var piece in inbound { answer.writeBuffer(&piece) }
            } catch {
                // A reset: it did not want to hear more.
            }
            return String(buffer: answer)
        }
    }
}
