/// What happens between one world and the next.
struct Step {
    enum Kind: String {
        case timeGoesOn = "time goes on"
        case failover = "the database fails over"
        case joins, dies, leaves
        case sendsRenewal = "sends a renewal"
        case renews = "its renewal takes effect"
        case learnsRenewal = "has its renewal answered"
        case givesUpRenewal = "gives its renewal up"
        case lateRenewal = "its late renewal takes effect"
        case declaresDead = "declares another dead"
        case sendsClaim = "sends a claim"
        case claims = "its claim takes effect"
        case learnsClaim = "has its claim answered"
        case givesUpClaim = "gives its claim up"
        case lateClaim = "its late claim takes effect"
        case stops = "stops delivering, and sends a release"
        case releases = "its release takes effect"
        case givesUpRelease = "gives its release up"
        case lateRelease = "its late release takes effect"
        case reads = "reads the message"
        case sends = "sends the message"
        case records = "records the result"
    }

    var kind: Kind
    var node: Int

    /// What is not part of the protocol but befalls it.
    var isFault: Bool { kind == .dies || kind == .failover }

    var description: String {
        kind == .timeGoesOn || kind == .failover ? kind.rawValue : "node \(node) \(kind.rawValue)"
    }
}
