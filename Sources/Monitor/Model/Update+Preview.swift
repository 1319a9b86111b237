import Control
import Mail
import Terminal

/// Acting: plan, look, confirm, apply, report.
extension Model {
    mutating func preview(
        _ action: ActionKind, subject: Subject? = nil, worker: Int? = nil, of row: WorkerRow? = nil
    ) -> [Effect] {
        let subject = subject ?? self.subject(for: action)
        guard !subject.isEmpty || action.isAboutWorkers else { return [] }
        lastTicket += 1
        var preview = Preview(
            action: action, subject: subject, worker: worker ?? row?.id,
            phase: .planning(ticket: lastTicket), since: moment.elapsed)
        preview.host = row?.host
        preview.node = row?.node
        overlay = .preview(preview)
        return [.plan(ticket: lastTicket, preview.request(options.session))]
    }

    /// Something is under way that the operator waits for: the screen shows that it goes on.
    var isWaiting: Bool {
        waitingSince != nil
    }

    /// Since when, on the clock of `Moment.elapsed`.
    private var waitingSince: Duration? {
        if let undoing { return undoing.since }
        guard case .preview(let preview)? = overlay else { return nil }
        switch preview.phase {
        case .planning, .applying: return preview.since
        case .ready, .failed: return nil
        }
    }

    /// How far the action of a preview is, as the daemon said last.
    func progress(of preview: Preview) -> RunningAction? {
        switch preview.phase {
        case .applying(_, let plan): running(plan.id)
        case .planning: preview.progressName(options.session).flatMap(running)
        case .ready, .failed: nil
        }
    }

    /// How far an undo is; nil as long as it is quick.
    var undoProgress: (waited: Double, progress: RunningAction?)? {
        guard let undoing, moment.elapsed - undoing.since >= Self.patience else { return nil }
        return ((moment.elapsed - undoing.since).inSeconds, running(undoing.action))
    }

    private func running(_ id: String) -> RunningAction? {
        status?.running?.first { $0.id == id }
    }

    /// What takes longer than this is shown as it goes on, and asked about more often.
    private static let patience = Duration.milliseconds(500)
    private static let progressInterval = Duration.milliseconds(250)

    mutating func hastenWhileActing() {
        guard let waitingSince, moment.elapsed - waitingSince >= Self.patience, let nextFetchAt
        else { return }
        let last = nextFetchAt - options.interval
        self.nextFetchAt = min(nextFetchAt, last + Self.progressInterval)
    }

    /// Asks again, where the answer is one to another question than the operator's now.
    private mutating func replan(_ preview: inout Preview) -> [Effect] {
        guard preview.isOutdated, !preview.timeIsWrong, case .ready = preview.phase else {
            return []
        }
        lastTicket += 1
        preview.phase = .planning(ticket: lastTicket)
        preview.since = moment.elapsed
        return [.plan(ticket: lastTicket, preview.request(options.session))]
    }

    /// A preview that Enter opened: a second Enter, already on its way, must not confirm it.
    mutating func standBackFromEnter() {
        guard case .preview(var preview)? = overlay else { return }
        preview.focus = .cancel
        preview.focusIsChosen = true
        overlay = .preview(preview)
    }

    mutating func planned(_ ticket: Int, _ result: Result<Plan, Failure>) -> [Effect] {
        guard case .preview(var preview)? = overlay, case .planning(ticket) = preview.phase
        else { return [] }
        switch result {
        case .success(let plan):
            preview.phase = .ready(plan)
            preview.since = moment.elapsed
            // The time was typed while the daemon counted.
            if preview.focus != .time, preview.isOutdated, !preview.timeIsWrong {
                let effects = replan(&preview)
                overlay = .preview(preview)
                return effects
            }
            if !preview.focusIsChosen {
                preview.focus =
                    preview.isDangerous || obstacle(preview) != nil ? .cancel : .confirm
            }
        case .failure(let failure):
            preview.phase = .failed(failure)
            preview.focus = .cancel
        }
        overlay = .preview(preview)
        return []
    }

    /// Why the confirming button does nothing now; nil if it would act.
    func obstacle(_ preview: Preview) -> Label? {
        switch preview.phase {
        case .planning: return "the daemon is counting"
        case .applying: return "under way"
        // The button asks for another plan.
        case .failed: return nil
        case .ready(let plan):
            if preview.timeIsWrong {
                return "how long? 30m, 2h, 1d"
            }
            if preview.isOutdated { return "Enter asks about that time" }
            let touched =
                preview.action.actsOnDeliveries
                ? plan.counts.deliveries : plan.counts.destinations
            if touched == 0, !preview.action.isAboutWorkers { return "nothing to act on" }
            if secondsLeft(plan) == nil { return "this preview is too old: Esc, and again" }
            if plan.mustTypeCount, preview.typedCount != plan.counts.deliveries {
                return "type \(Format.exact(plan.counts.deliveries)) to confirm"
            }
            return nil
        }
    }

    /// How long a plan can still be applied.
    func secondsLeft(_ plan: Plan) -> Double? {
        guard let daemonAt, let receivedAt else { return .infinity }
        let now = daemonAt + (moment.elapsed - receivedAt)
        let left = (plan.expiresAt - now).inSeconds
        return left > 0 ? left : nil
    }

    mutating func handle(_ key: Key, _ preview: Preview) -> [Effect] {
        var preview = preview
        if key == .escape {
            // Once sent it cannot be called back; its result is still reported.
            if case .applying = preview.phase {
                say(.hint, "still under way; its result will be shown here")
            }
            overlay = nil
            return []
        }
        if case .mouse(let mouse) = key {
            guard mouse.action == .press,
                case .focus(let focus)? = zone(row: mouse.row, column: mouse.column)
            else { return [] }
            return press(focus, preview)
        }
        if case .applying = preview.phase { return [] }
        let focuses = preview.focuses
        let before = preview.focus
        let place = focuses.firstIndex(of: preview.focus) ?? 0
        switch (key, preview.focus) {
        case (.tab, _), (.down, _):
            preview.focus = focuses[(place + 1) % focuses.count]
            preview.focusIsChosen = true
        case (.backTab, _), (.up, _):
            preview.focus = focuses[(place + focuses.count - 1) % focuses.count]
            preview.focusIsChosen = true
        case (.enter, .time), (.enter, .reason), (.enter, .count):
            // On to the next; only a button acts.
            preview.focus = focuses[place + 1]
            preview.focusIsChosen = true
        case (.enter, .cancel):
            overlay = nil
            return []
        case (.enter, .confirm): return confirm(preview)
        case (.left, .confirm), (.right, .cancel), (.left, .cancel), (.right, .confirm):
            preview.focus = preview.focus == .cancel ? .confirm : .cancel
            preview.focusIsChosen = true
        case (_, .time): guard preview.time.edit(key) else { return [] }
        case (_, .reason): guard preview.reason.edit(key) else { return [] }
        case (_, .count): guard preview.count.edit(key) else { return [] }
        default: return []
        }
        let effects = before == .time && preview.focus != .time ? replan(&preview) : []
        overlay = .preview(preview)
        return effects
    }

    /// A press of the mouse: a field takes the keys, a button has to have them before it acts, so
    /// that no single press does.
    mutating func press(_ focus: Preview.Focus, _ preview: Preview) -> [Effect] {
        if case .applying = preview.phase { return [] }
        if focus == .cancel { return handle(.escape, preview) }
        if focus == .confirm, preview.focus == .confirm { return confirm(preview) }
        var preview = preview
        let effects = preview.focus == .time && focus != .time ? replan(&preview) : []
        preview.focus = focus
        preview.focusIsChosen = true
        overlay = .preview(preview)
        return effects
    }

    private mutating func confirm(_ preview: Preview) -> [Effect] {
        var preview = preview
        guard obstacle(preview) == nil else { return [] }
        lastTicket += 1
        let effect: Effect
        switch preview.phase {
        case .planning, .applying: return []
        case .failed:
            preview.phase = .planning(ticket: lastTicket)
            preview.since = moment.elapsed
            preview.focusIsChosen = false
            preview.count = TextField()
            effect = .plan(ticket: lastTicket, preview.request(options.session))
        case .ready(let plan):
            preview.phase = .applying(ticket: lastTicket, plan)
            preview.since = moment.elapsed
            let reason = preview.reason.text
            effect = .apply(
                ticket: lastTicket, plan: plan.id,
                ApplyRequest(
                    count: plan.mustTypeCount ? plan.counts.deliveries : nil,
                    reason: reason.isEmpty ? nil : reason))
        }
        overlay = .preview(preview)
        return [effect]
    }

    mutating func applied(_ ticket: Int, _ result: Result<ActionRow, Failure>) -> [Effect] {
        var isShown = false
        if case .preview(var preview)? = overlay, case .applying(ticket, _) = preview.phase {
            isShown = true
            if case .failure(let failure) = result {
                preview.phase = .failed(failure)
                preview.focus = .cancel
                overlay = .preview(preview)
            } else {
                overlay = nil
            }
        }
        switch result {
        case .success(let action):
            report(action)
            if action.state == .undoable {
                undoable = action
            } else if undoSeconds?.isFinite != true {
                // What came before it is no longer the last; what is about to be destroyed can
                // still be saved.
                undoable = nil
            }
            clearChoice()
        case .failure(let failure):
            if !isShown { say(.failed, "not done: \(safe(failure.message))") }
        }
        return fetchNow()
    }

    mutating func undone(_ result: Result<ActionRow, Failure>) -> [Effect] {
        undoing = nil
        switch result {
        case .success(let action):
            undoable = nil
            report(action)
        case .failure(let failure):
            if failure.isAnswer { undoable = nil }
            say(.failed, "not undone: \(safe(failure.message))")
        }
        return fetchNow()
    }

    private mutating func report(_ action: ActionRow) {
        say(action.state == .failed ? .failed : .done, safe(action.result))
    }
}
