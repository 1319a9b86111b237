import Control
import Mail
import Scheduler
import Settings

/// What an attempt with several recipients comes to: the weightiest of their treatments decides
/// how the delivery and the destination go on.
struct Decision {
    private var weightiest: (treatment: Treatment, reply: Mail.Reply, weight: Int)?
    private var failed: Mail.Reply?
    private var failedRule: String?
    private var delivered: Mail.Reply?

    mutating func delivered(_ reply: Mail.Reply) {
        if delivered == nil { delivered = reply }
    }

    mutating func weigh(_ treatment: Treatment, reply: Mail.Reply) {
        if treatment.outcome == .fail {
            if failed == nil { (failed, failedRule) = (reply, treatment.rule) }
            return
        }
        let weight = treatment.outcome.weight
        if weight > weightiest?.weight ?? -1 { weightiest = (treatment, reply, weight) }
    }

    var result: AttemptResult {
        guard let (treatment, reply, _) = weightiest else { return .settled }
        switch treatment.outcome {
        case .wait(let cause): return .deferred(cause, reply: reply.text)
        case .suspend(let time):
            return .suspended(time, reply: reply.text, rule: treatment.rule ?? "")
        // There was no other address.
        case .elsewhere: return .deferred(.recipient, reply: reply.text)
        case .fail: return .settled
        }
    }

    /// The one that explains it best.
    var reply: String { (weightiest?.reply ?? failed ?? delivered)?.text ?? "" }
    var rule: String {
        weightiest.map { $0.treatment.rule ?? "" } ?? failedRule ?? ""
    }
}

extension Treatment.Outcome {
    /// What concerns more mail weighs more; of waits of a single delivery the shorter one.
    fileprivate var weight: Int {
        switch self {
        case .fail: 0
        case .wait(.full): 1
        case .wait(.content), .wait(.us), .wait(.handshake): 2
        case .elsewhere: 3
        case .wait(.recipient): 4
        case .wait(.greylisted): 5
        case .wait(.connect), .wait(.crowded), .wait(.hurried), .wait(.destination): 6
        case .suspend: 7
        }
    }
}

extension Attempt {
    /// Puts away the reports of those who are done, and leaves the job to the others.
    func keep(_ reports: [RecipientReport], except others: Set<Int>) {
        guard let present = job else { return }
        if settled.isEmpty { settled = Array(repeating: nil, count: present.recipients.count) }
        let places = settled.indices.filter { settled[$0] == nil }
        for (index, report) in reports.enumerated() where !others.contains(index) {
            settled[places[index]] = report
        }
        job?.recipients = present.recipients.indices.filter(others.contains).map {
            present.recipients[$0]
        }
        if whole == nil { whole = present }
    }

    /// The reports of all recipients, in their order, where the present job's have these.
    func reports(of present: [RecipientReport]) -> [RecipientReport] {
        guard !settled.isEmpty else { return present }
        var rest = present[...]
        return settled.map { report in
            report ?? rest.popFirst() ?? RecipientReport(outcome: .deferred, reply: "")
        }
    }

    /// The same where all of the present job's have this one.
    func reports(ofRest report: RecipientReport) -> [RecipientReport] {
        reports(of: (job?.recipients ?? []).map { _ in report })
    }
}
