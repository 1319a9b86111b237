package import Control

/// What `--json` prints where the API has no document of its own.
package struct DestinationDocument: Codable, Sendable {
    package var version = 1
    package var destination: DestinationRow

    package init(destination: DestinationRow) {
        self.destination = destination
    }
}

/// What a command that acts prints: the plan, and what came of it.
package struct ActionDocument: Codable, Sendable {
    package var version = 1
    package var plan: Plan?
    /// Nil if nothing was done.
    package var action: ActionRow?

    package init(plan: Plan?, action: ActionRow?) {
        self.plan = plan
        self.action = action
    }
}

/// `sluice --json`.
package struct OverviewDocument: Codable, Sendable {
    package var version = 1
    package var status: Status
    package var destinations: Page<DestinationRow>

    package init(status: Status, destinations: Page<DestinationRow>) {
        self.status = status
        self.destinations = destinations
    }
}
