import Scheduler

/// What another mail server's manual or source says about when it tries what: its concurrency, what
/// it takes for a dead host, and its retry times. The constants stand in the project's notes on its
/// peers.
struct PeerRules: Sendable {
    enum Concurrency: Sendable {
        /// As many as allowed, whatever happens.
        case fixed
        /// Begins with `initial`; one more for each success, one less for each connection that
        /// failed (Postfix, SCHEDULER_README, with its default feedback of 1).
        case feedback(initial: Int)
    }

    let name: String
    var concurrency = Concurrency.fixed
    var reusesConnections = true
    /// At a time, whatever else is allowed.
    var most: Int?
    /// So many connection failures without a success in between put the whole host off; nil: the
    /// host is never looked at. For `feedback` a cohort of the size of its window does.
    var failuresUntilDead: Int?
    /// Whether what waits for a host that is put off counts as tried.
    var burnsAttempts = false
    /// Mail is looked at again only in runs over the queue, at this distance.
    var queueRun: Duration?
    /// The host, not the message, has the retry time (Exim's hints).
    var isPerHost = false
    /// After so many attempts (1 or more), when so old.
    let wait: @Sendable (_ attempts: Int, _ age: Duration) -> Duration
    /// Half of what is added or taken at random; of a wait.
    var jitter: @Sendable (Duration) -> Duration = { _ in .zero }
}

extension PeerRules {
    static let all = [postfix, exim, haraka, kumo]

    /// postconf(5): initial_destination_concurrency 5, default_destination_concurrency_limit 20,
    /// failed_cohort_limit 1, minimal_backoff_time 300 s, maximal_backoff_time 4000 s,
    /// queue_run_delay 300 s; a message waits as long as it has waited already, between the two.
    static let postfix = PeerRules(
        name: "Postfix", concurrency: .feedback(initial: 5), queueRun: .seconds(300),
        wait: { _, age in min(max(age, .seconds(300)), .seconds(4000)) })

    /// Exim's default retry rule, F,2h,15m; G,16h,1h,1.5; F,4d,6h, kept per host; Debian runs the
    /// queue every 30 minutes, with at most five runners (queue_run_max).
    static let exim = PeerRules(
        name: "Exim", most: 5, failuresUntilDead: 1, queueRun: .seconds(1800), isPerHost: true,
        wait: { _, age in
            if age < .seconds(7200) { return .seconds(900) }
            if age < .seconds(57_600) {
                var interval = 3600.0
                var time = 7200.0
                while time + interval < age / .seconds(1) {
                    time += interval
                    interval *= 1.5
                }
                return .seconds(interval)
            }
            return .seconds(21_600)
        })

    /// 2^(i+5) s for the i-th failure; no look at the host, a connection for each message.
    static let haraka = PeerRules(
        name: "Haraka", reusesConnections: false,
        wait: { attempts, _ in .seconds(1 << (min(attempts, 12) + 5)) })

    /// 20 min doubling without a cap, ±min(interval/20, 60 s)/2; a hundred consecutive connection
    /// failures delay all that is ready, as another attempt.
    static let kumo = PeerRules(
        name: "KumoMTA", failuresUntilDead: 100, burnsAttempts: true,
        wait: { attempts, _ in .seconds(1200 << (min(attempts, 20) - 1)) },
        jitter: { min($0 / 20, .seconds(60)) / 2 })
}
