package import Control

/// What an action would do, before it does it. Bound to the ids of its targets and to the
/// daemon's plan; what goes on behind it changes nothing in it.
package struct Preview: Sendable {
    package enum Phase: Sendable {
        case planning(ticket: Int)
        case ready(Plan)
        case applying(ticket: Int, Plan)
        case failed(Failure)
    }

    package enum Focus: Hashable, Sendable, CaseIterable { case reason, count, cancel, confirm }

    package let action: ActionKind
    package let targets: [Target]
    /// For reassign: nil lets the ring decide.
    package let worker: Int?
    package var phase: Phase
    package var focus = Focus.cancel
    /// The operator moved it: the plan's arrival no longer does.
    package var focusIsChosen = false
    package var reason = TextField()
    package var count = TextField()

    package init(
        action: ActionKind, targets: [Target], worker: Int? = nil, phase: Phase
    ) {
        self.action = action
        self.targets = targets
        self.worker = worker
        self.phase = phase
    }

    package var plan: Plan? {
        switch phase {
        case .ready(let plan), .applying(_, let plan): plan
        case .planning, .failed: nil
        }
    }

    /// Destroys something: the safe button is the one that Enter finds.
    package var isDangerous: Bool { action == .purge || action == .bounce }

    package var request: PlanRequest {
        PlanRequest(
            action: action,
            selector: Selector(
                destinations: targets.filter { $0.kind == .destination }.map(\.id),
                messages: targets.filter { $0.kind == .delivery }.map(\.id)),
            reason: reason.text, worker: worker)
    }

    /// What Tab goes through, top to bottom.
    package var focuses: [Focus] {
        Focus.allCases.filter { $0 != .count || plan?.mustTypeCount == true }
    }

    /// The number that was typed; separators are allowed.
    package var typedCount: Int? {
        Int(String(count.characters.filter { $0 != "," && $0 != "." && $0 != " " }))
    }
}
