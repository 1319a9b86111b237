import Glibc
import NIOCore

/// Waits a second when no connection can be accepted because descriptors or memory have run out:
/// asking again at once would only keep the loop from what frees them. The clients wait in the
/// backlog meanwhile.
///
/// On the listening channel.
final class AcceptPause: ChannelInboundHandler, ChannelOutboundHandler {
    typealias InboundIn = any Channel
    typealias OutboundIn = Never

    private let report: (String) -> Void
    private var isPaused = false
    private var isWanted = false

    /// `report` is told of every pause, with the reason.
    init(report: @escaping (String) -> Void) {
        self.report = report
    }

    func read(context: ChannelHandlerContext) {
        guard !isPaused else { return isWanted = true }
        context.read()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let code = (error as? IOError)?.errnoCode,
            [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(code)
        else { return context.fireErrorCaught(error) }
        guard !isPaused else { return }
        isPaused = true
        report(String(cString: strerror(code)))
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .seconds(1)) {
            let (handler, context) = bound.value
            handler.isPaused = false
            guard handler.isWanted else { return }
            handler.isWanted = false
            context.read()
        }
    }
}
