import Glibc
import Mail
package import NIOCore
import Synchronization

/// Hands a stream of mail to a daemon's intake, over a few kept connections, at a rate that swells
/// and ebbs. Connects again whenever the intake goes away.
package final class Traffic: Sendable {
    package struct Options: Sendable {
        /// Messages per second, on average.
        package var rate = 60.0
        /// The rate goes from half of it to one and a half, and back, in this time.
        package var wave: Duration = .seconds(40)
        package var connections = 4
        /// Ends by itself after so many messages; nil: goes on until cancelled.
        package var limit: Int?
        /// Remembers which messages were accepted for whom.
        package var keepsAccepted = false

        package init() {}
    }

    package struct Statistics: Sendable {
        /// Messages answered 250.
        package var messages = 0
        /// Their accepted recipients.
        package var recipients = 0
        package var bytes = 0
        /// Messages answered 4xx or 5xx; they are not sent again.
        package var refused = 0
        /// Messages whose connection ended between the final dot and its answer; they are not sent
        /// again either, so that only the daemon can make a duplicate.
        package var uncertain = 0
        package var reconnects = 0
        /// The recipients of each accepted message, by id; filled where asked for.
        package var accepted: [String: [String]] = [:]
    }

    private let host: String
    private let port: Int
    private let group: any EventLoopGroup
    private let options: Options
    private let schedule: Mutex<Schedule>
    private let counters = Mutex(Statistics())

    /// When which message departs; messages leave in the order of the stream.
    private struct Schedule {
        var stream: MailStream
        var departures: Departures
        var left: Int
    }

    package init(
        _ stream: MailStream, host: String = "127.0.0.1", port: Int, group: any EventLoopGroup,
        options: Options = Options()
    ) {
        self.host = host
        self.port = port
        self.group = group
        self.options = options
        schedule = Mutex(
            Schedule(
                stream: stream, departures: Departures(rate: options.rate, wave: options.wave),
                left: options.limit ?? .max))
    }

    package var statistics: Statistics { counters.withLock { $0 } }

    /// Sends until the limit is reached or the task is cancelled.
    package func run() async {
        let start = ContinuousClock.now
        await withTaskGroup { tasks in
            for _ in 0..<options.connections {
                tasks.addTask { await self.keepSending(since: start) }
            }
        }
    }

    private func keepSending(since start: ContinuousClock.Instant) async {
        var unsent: GeneratedMail?
        while !Task.isCancelled {
            do {
                try await Conversation.with(host: host, port: port, group: group) { conversation in
                    try await conversation.greet(as: "app.shop.test")
                    try await self.send(over: &conversation, unsent: &unsent, since: start)
                    _ = try await conversation.command("QUIT")
                }
                return
            } catch is CancellationError {
                return
            } catch {
                counters.withLock { $0.reconnects += 1 }
                // Cancelled here, the loop's condition ends it.
                try? await Task.sleep(for: .milliseconds(250))
            }
        }
    }

    private func send(
        over conversation: inout Conversation, unsent: inout GeneratedMail?,
        since start: ContinuousClock.Instant
    ) async throws {
        while true {
            if unsent == nil {
                let departure: (GeneratedMail, Duration)? = schedule.withLock {
                    guard $0.left > 0 else { return nil }
                    $0.left -= 1
                    return ($0.stream.next(date: .now), $0.departures.next())
                }
                guard let departure else { return }
                unsent = departure.0
                try await Task.sleep(until: start + departure.1)
            }
            guard let mail = unsent else { return }
            do {
                let outcome = try await conversation.send(
                    from: mail.sender, to: mail.recipients, mail.content)
                unsent = nil
                count(mail, outcome)
            } catch {
                if conversation.awaitsVerdict {
                    unsent = nil
                    counters.withLock { $0.uncertain += 1 }
                }
                throw error
            }
        }
    }

    private func count(_ mail: GeneratedMail, _ outcome: Conversation.Outcome) {
        counters.withLock { statistics in
            guard case .taken(let recipients) = outcome else {
                statistics.refused += 1
                return
            }
            statistics.messages += 1
            statistics.recipients += recipients.count
            statistics.bytes += mail.content.readableBytes
            if options.keepsAccepted { statistics.accepted[mail.id] = recipients }
        }
    }
}

/// The times at which messages depart, at a rate that goes up and down in a triangle between half
/// and one and a half of its mean.
struct Departures: Sendable {
    private let rate: Double
    private let wave: Double
    /// Seconds since the start.
    private var time = 0.0

    init(rate: Double, wave: Duration) {
        precondition(rate > 0 && wave > .zero)
        self.rate = rate
        self.wave = wave / .seconds(1)
    }

    mutating func next() -> Duration {
        defer { time += 1 / rate(at: time) }
        return .seconds(time)
    }

    /// Messages per second at a time: the mean at the start, then up.
    func rate(at time: Double) -> Double {
        let phase = (time / wave + 0.25).truncatingRemainder(dividingBy: 1)
        let triangle = phase < 0.5 ? phase * 2 : 2 - phase * 2
        return rate * (0.5 + triangle)
    }
}

extension UnixTime {
    fileprivate static var now: UnixTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return UnixTime(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }
}
