package import Control
import Mail

/// Plans an action, shows what it would touch, asks, applies it and says what was done.
package struct ActionRun {
    package var isDryRun: Bool
    /// Not to be asked.
    package var isAgreed: Bool
    /// One document on the output instead of text for people.
    package var json: Bool

    package init(isDryRun: Bool, isAgreed: Bool, json: Bool) {
        self.isDryRun = isDryRun
        self.isAgreed = isAgreed
        self.json = json
    }

    /// - Parameter target: what the selector was taken for, in words.
    /// - Throws: `CommandFailure`, or what the API throws.
    package func run(
        _ request: PlanRequest, target: String, _ api: some ControlAPI, _ console: Console
    ) async throws {
        if !isDryRun, !isAgreed, !console.isInteractive {
            throw CommandFailure.refused(
                "nobody can be asked here: say --yes to \(request.action.rawValue), or --dry-run "
                    + "to see what it would touch")
        }
        let plan = try await api.plan(request)
        if matchesNothing(plan) {
            if json { try console.print(json: ActionDocument(plan: plan, action: nil)) }
            let notes = plan.notes.map { "; \(SafeText($0))" }.joined()
            throw CommandFailure.refused("nothing matched: \(target)\(notes)")
        }
        let preview = PlanText.lines(plan, target: target)
        if isDryRun {
            if json {
                try console.print(json: ActionDocument(plan: plan, action: nil))
            } else {
                console.print(preview, indent: PlanText.indent)
                console.print(["Nothing was done (--dry-run)."])
            }
            return
        }
        if !isAgreed {
            if json {
                console.warn(preview.joined(separator: "\n"))
            } else {
                console.print(preview, indent: PlanText.indent)
            }
            try confirm(Confirmation(plan), console)
        }
        let count = plan.mustTypeCount ? plan.counts.deliveries : nil
        let action = try await showingProgress(of: plan.id, api, console) {
            try await api.apply(plan.id, ApplyRequest(count: count))
        }
        if json {
            try console.print(json: ActionDocument(plan: plan, action: action))
        } else {
            // Who was asked has read them.
            if isAgreed { console.print(plan.notes.map { "note: \(SafeText($0))" }) }
            console.print(Self.report(action, console))
        }
        if action.state == .failed { throw CommandFailure.refused("") }
    }

    /// Between two looks at how far it is; what ends sooner is not told about.
    private static let progressInterval = Duration.milliseconds(500)

    /// Where somebody waits at a terminal, a line that says how far it is, taken away in the end.
    private func showingProgress(
        of plan: String, _ api: some ControlAPI, _ console: Console,
        _ act: @escaping @Sendable () async throws -> ActionRow
    ) async throws -> ActionRow {
        guard let width = console.width else { return try await act() }
        return try await withThrowingTaskGroup(of: ActionRow?.self) { group in
            group.addTask { try await act() }
            group.addTask {
                var isShown = false
                while (try? await Task.sleep(for: Self.progressInterval)) != nil {
                    let all = (try? await api.status().running) ?? []
                    guard let progress = all.first(where: { $0.id == plan }) else { continue }
                    console.write("\r" + PlanText.progress(progress, columns: width))
                    isShown = true
                }
                if isShown {
                    console.write("\r" + String(repeating: " ", count: max(0, width - 1)) + "\r")
                }
                return nil
            }
            var action: ActionRow?
            while let next = try await group.next() {
                guard let next else { continue }
                action = next
                group.cancelAll()
            }
            guard let action else { throw CancellationError() }
            return action
        }
    }

    /// Undoes an action; without an id the latest one that can be undone.
    package static func undo(
        _ id: String?, json: Bool, _ api: some ControlAPI, _ console: Console
    ) async throws {
        var id = id
        if id == nil {
            let page = try await api.actions(limit: 50)
            let latest = page.rows.filter { row in
                row.state == .undoable && (row.undoUntil.map { $0 > page.at } ?? true)
            }.max { $0.at < $1.at }
            guard let latest else {
                throw CommandFailure.refused("there is nothing to undo; sluice actions lists them")
            }
            let joint = Self.joint(latest, page.rows)
            id = joint
            if !json {
                console.print([
                    "undoing \(SafeText(joint)): \(latest.action.rawValue)"
                        + (latest.target.isEmpty ? "" : ", \(SafeText(latest.target))")
                ])
            }
        }
        let action = try await api.undo(id ?? "")
        if json {
            try console.print(json: ActionDocument(plan: nil, action: action))
        } else {
            console.print([SafeText(action.result).text])
        }
        if action.state == .failed { throw CommandFailure.refused("") }
    }

    /// What was done on several hosts at once is undone at once: on each the same, at about that
    /// time.
    private static func joint(_ latest: ActionRow, _ rows: [ActionRow]) -> String {
        var hosts: Set<String?> = [latest.host]
        let parts = rows.filter { row in
            if row.id == latest.id { return true }
            guard row.host != nil, row.state == .undoable, row.action == latest.action,
                row.target == latest.target, row.by == latest.by,
                row.reason == latest.reason, latest.at - row.at < Self.atOnce
            else { return false }
            return hosts.insert(row.host).inserted
        }
        return JointID(parts.map { QualifiedID($0.id) }).description
    }

    /// Hosts do not act at the same instant, nor do their clocks agree.
    private static let atOnce = Duration.seconds(10)

    /// What was done, and how to undo it.
    static func report(_ action: ActionRow, _ console: Console) -> [String] {
        var lines = [SafeText(action.result).text]
        if action.state == .undoable {
            let until = action.undoUntil.map { time in
                " (until "
                    + Format.clock(
                        time, now: console.now(), utcOffset: console.utcOffset(time)) + ")"
            }
            lines.append("To undo it: sluice undo \(SafeText(action.id))\(until ?? "")")
        }
        return lines
    }

    private func confirm(_ confirmation: Confirmation, _ console: Console) throws {
        if json {
            console.warn(confirmation.question)
        } else {
            console.write(confirmation.question)
        }
        guard confirmation.accepts(console.readLine()) else {
            throw CommandFailure.refused("not confirmed; nothing was done")
        }
    }

    /// The number of workers is no selection.
    private func matchesNothing(_ plan: Plan) -> Bool {
        let action = plan.request.action
        if action.isAboutWorkers { return false }
        return (action.actsOnDeliveries ? plan.counts.deliveries : plan.counts.destinations) == 0
    }
}
