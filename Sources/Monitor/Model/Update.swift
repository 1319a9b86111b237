import Control
import Terminal

/// The model after an event, and what is to be done about it.
package func update(_ model: inout Model, _ event: ModelEvent, at moment: Moment) -> [Effect] {
    model.moment = moment
    return model.handle(event) + model.followWhatIsShown()
}

extension Model {
    fileprivate mutating func handle(_ event: ModelEvent) -> [Effect] {
        switch event {
        case .key(let key): return handle(key)
        case .tick: return tick()
        case .resize(let size): return resize(size)
        case .fetched(let request, let result): return fetched(request, result)
        case .planned(let ticket, let result): return planned(ticket, result)
        case .applied(let ticket, let result): return applied(ticket, result)
        case .undone(let result): return undone(result)
        case .streamed(let ticket, let news): return streamed(ticket, news)
        case .saved(let result): return saved(result)
        case .sampled:
            sampling.isUnderWay = false
            return []
        case .recordingEnded(let reason):
            recording = nil
            say(.failed, safe(reason))
            return []
        }
    }
}

extension Model {
    /// How long what was done stays in the footer.
    static let feedbackTime = Duration.seconds(12)

    mutating func tick() -> [Effect] {
        if let feedback, moment.elapsed - feedback.at >= Self.feedbackTime { self.feedback = nil }
        if undoable != nil, undoSeconds == nil { undoable = nil }
        if past != nil { return play() + sample() }
        hastenWhileActing()
        return fetchIfDue() + sample()
    }

    mutating func resize(_ size: Size) -> [Effect] {
        self.size = size
        let model = self
        pages.changeAll { $0.resize(in: model) }
        return fetchIfUncovered()
    }

    mutating func handle(_ key: Key) -> [Effect] {
        switch overlay {
        case .help(let scroll)?: return handleHelp(key, scroll)
        case .menu(let menu)?: return handle(key, menu)
        case .palette(let palette)?: return handle(key, palette)
        case .filter(let prompt)?: return handle(key, prompt)
        case .preview(let preview)?: return handle(key, preview)
        case .columns(let chooser)?: return handle(key, chooser)
        case .views(let menu)?: return handle(key, menu)
        case .time(let prompt)?: return handle(key, prompt)
        case nil: break
        }
        switch key {
        case .mouse(let mouse): return handle(mouse)
        // Pasted text never acts.
        case .paste: return []
        default: break
        }
        guard let command = options.keymap.command(for: key) else { return [] }
        return run(command)
    }

    /// Does what a command says, or says why not.
    mutating func run(_ command: Command) -> [Effect] {
        if let reason = command.availability(self).reason {
            say(.hint, reason)
            return []
        }
        // A hint is about the key before, and may mean another page; Esc has it to close.
        if feedback?.kind == .hint, command.id != .cancel { feedback = nil }
        guard range != nil else { return perform(command.id) }
        switch command.id {
        case .up, .down, .pageUp, .pageDown, .first, .last:
            let effects = perform(command.id)
            extendRange()
            return effects
        case .tag, .tagRange: return endRange(keeps: true)
        case .cancel: return endRange(keeps: false)
        // The range is what the rest is about.
        default: return endRange(keeps: true) + perform(command.id)
        }
    }

    private mutating func perform(_ command: Command.ID) -> [Effect] {
        switch command {
        case .help: overlay = .help(scroll: 0)
        case .commands: overlay = .palette(Palette())
        case .quit:
            if pages.isAtRoot, past?.present != nil { return leavePast() }
            return pages.isAtRoot ? [.quit] : goBack()
        case .cancel: return cancel()
        case .redraw: return [.repaint]
        case .up: return move(by: -1)
        case .down: return move(by: 1)
        case .pageUp: return move(by: -max(1, layout.tableRows - 1))
        case .pageDown: return move(by: max(1, layout.tableRows - 1))
        case .first: return move(by: -.max / 2)
        case .last: return move(by: .max / 2)
        case .open: return open()
        case .filter:
            openFilterPrompt()
        case .sort: openSortMenu()
        case .invert:
            turnOrder()
            return keepSort() + queryChanged()
        case .columns: openColumnChooser()
        case .views: openViewMenu()
        case .freeze: return past == nil ? freeze() : playOrStop()
        case .back: return step(by: -1)
        case .forward: return step(by: 1)
        case .minuteBack: return seek(by: -60)
        case .minuteForward: return seek(by: 60)
        case .slower: return changeSpeed(by: 0.5)
        case .faster: return changeSpeed(by: 2)
        case .time: overlay = .time(TimePrompt())
        case .tag: return tag()
        case .tagRange: startRange()
        case .tagAll: chooseAll()
        case .untag: clearChoice()
        case .theme: openThemeMenu()
        case .showDestinations: return show(.destinations)
        case .showDestination: return show(.destination)
        case .showQueue: return show(.queue)
        case .showMessage: return show(.message)
        case .showBackoff: return show(.backoff)
        case .showAges: return show(.ages)
        case .left: page.moveSideways(by: -1, in: self)
        case .right: page.moveSideways(by: 1, in: self)
        case .body where page.kind == .trace:
            guard var trace = page as? TracePage else { return [] }
            trace.toggleContent()
            page = trace
            say(
                .hint,
                trace.showsContent
                    ? "from now on with what messages say, 60 lines of each; the daemon logs it"
                    : "from now on without what messages say")
        case .body:
            guard var message = page as? MessagePage else { return [] }
            message.toggleBody()
            page = message
            return fetchIfUncovered()
        case .showWorkers: return show(.workers)
        case .showEvents: return show(.events)
        case .showTrace: return show(.trace)
        case .showActions: return show(.actions)
        case .showNodes: return show(.nodes)
        case .save:
            return page.saved(in: self).map { [.save($0)] } ?? []
        case .addWorker: return changeWorkers(by: 1)
        case .removeWorker: return changeWorkers(by: -1)
        case .retry: return preview(.retry)
        case .purge: return preview(.purge)
        case .hold: return preview(.hold)
        case .release: return preview(.release)
        case .bounce: return preview(.bounce)
        case .pause: return preview(.pause)
        case .resume: return preview(.resume)
        case .reassign: openWorkerMenu()
        case .drainWorker: return preview(.drain, subject: Subject(), of: worker)
        case .undrainWorker: return preview(.undrain, subject: Subject(), of: worker)
        case .undo:
            guard let action = page.undoable(in: self) ?? undoable else { return [] }
            undoing = (action.id, moment.elapsed)
            return [.undo(action: action.id)]
        }
        return []
    }

    private mutating func cancel() -> [Effect] {
        if feedback != nil {
            feedback = nil
        } else if past?.present != nil {
            return leavePast()
        } else if !tags.isEmpty || matching != nil {
            clearChoice()
        } else if query.filter != nil {
            query.filter = nil
            return queryChanged()
        } else if !pages.isAtRoot {
            return goBack()
        }
        return []
    }

    private mutating func freeze() -> [Effect] {
        let isOn = frozenAt == nil
        pages.changeAll { $0.freeze(isOn) }
        if frozenAt != nil {
            frozenAt = nil
            return fetchNow()
        }
        frozenAt = moment.elapsed
        return []
    }

    private mutating func tag() -> [Effect] {
        guard let target = page.target else { return [] }
        allChosen = nil
        if let index = tags.firstIndex(of: target) {
            tags.remove(at: index)
        } else {
            tags.append(target)
        }
        return move(by: 1)
    }

    private mutating func handleHelp(_ key: Key, _ scroll: Int) -> [Effect] {
        let page = max(1, size.rows - 4)
        if case .mouse(let mouse) = key {
            switch mouse.action {
            case .wheelDown: overlay = .help(scroll: scroll + 3)
            case .wheelUp: overlay = .help(scroll: max(0, scroll - 3))
            case .press, .release: break
            }
        }
        switch options.keymap.command(for: key)?.id {
        case .help?, .quit?, .cancel?, .open?: overlay = nil
        case .down?: overlay = .help(scroll: scroll + 1)
        case .up?: overlay = .help(scroll: max(0, scroll - 1))
        case .pageDown?, .tag?: overlay = .help(scroll: scroll + page)
        case .pageUp?: overlay = .help(scroll: max(0, scroll - page))
        case .first?: overlay = .help(scroll: 0)
        case .last?: overlay = .help(scroll: .max / 2)
        default: break
        }
        // Not beyond what the last screen of it needs: else the way back begins with dead keys.
        if case .help(let scroll)? = overlay {
            let count = HelpText.lineCount(self)
            let shown = min(count, max(1, size.rows - 2))
            overlay = .help(scroll: min(scroll, count - shown))
        }
        return []
    }
}
