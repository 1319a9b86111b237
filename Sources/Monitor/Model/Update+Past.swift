import Control
import Filter
import Mail
import Terminal

/// The past: stepping, playing, and keeping it.
extension Model {
    // MARK: Moving

    /// From now on the past is shown, and the present kept to come back to.
    private mutating func enterPast() {
        guard past == nil else { return }
        var entered = Past(
            isPlaying: false, playedFrom: moment.elapsed,
            present: Past.Present(pages: pages, frozenAt: frozenAt))
        entered.at = daemonAt
        past = entered
        frozenAt = nil
        range = nil
        pages.changeAll { $0.freeze(true) }
    }

    mutating func leavePast() -> [Effect] {
        guard let present = past?.present else { return [] }
        past = nil
        pages = present.pages
        frozenAt = present.frozenAt
        // Answers from the past that are under way are no longer wanted.
        shownTicket = lastTicket
        say(.hint, "this is the present again")
        return fetchNow()
    }

    mutating func step(by count: Int) -> [Effect] {
        enterPast()
        past?.isPlaying = false
        past?.steps += count
        return recallSteps()
    }

    mutating func seek(by seconds: Double) -> [Effect] {
        enterPast()
        guard let at = past?.position ?? past?.at ?? daemonAt else { return [] }
        return seek(to: at + .seconds(seconds))
    }

    private mutating func seek(to time: UnixTime) -> [Effect] {
        enterPast()
        if let span = past?.span, time > span.upperBound, past?.present != nil {
            return leavePast()
        }
        let last = past?.span?.upperBound ?? time
        let first = past?.span?.lowerBound ?? time
        past?.position = max(first, min(time, last))
        past?.playedFrom = moment.elapsed
        past?.steps = 0
        return recall(.at(past?.position ?? time), steps: 0)
    }

    private mutating func recallSteps() -> [Effect] {
        guard let past, past.waiting == nil, past.steps != 0, let at = past.at else { return [] }
        return recall(.step(from: at, by: past.steps), steps: past.steps)
    }

    /// The page that is shown now, of the same moment.
    mutating func recallNow() -> [Effect] {
        let time = past?.position ?? past?.at ?? UnixTime(milliseconds: .min)
        return recall(.at(time), steps: 0)
    }

    private mutating func recall(_ time: PastTime, steps: Int) -> [Effect] {
        lastTicket += 1
        past?.waiting = (lastTicket, steps)
        return [
            .fetch(
                FetchRequest(
                    ticket: lastTicket, page: pages.serial, question: page.question(in: self),
                    past: time))
        ]
    }

    mutating func recalled(
        _ request: FetchRequest, _ result: Result<Snapshot, Failure>
    ) -> [Effect] {
        guard past != nil, request.ticket > shownTicket else { return [] }
        let waited = past?.waiting
        if waited?.ticket == request.ticket {
            past?.waiting = nil
            let taken = waited?.steps ?? 0
            past?.steps -= taken
        }
        switch result {
        case .failure(let failure):
            say(.failed, safe(failure.message))
            return past?.at == nil ? [] : leavePast()
        case .success(let snapshot):
            guard let found = snapshot.recollection else { return [] }
            shownTicket = request.ticket
            return take(found, request)
        }
    }

    private mutating func take(_ found: Recollection, _ request: FetchRequest) -> [Effect] {
        let before = past?.at
        past?.span = found.span
        if let problem = found.problem, past?.problem == nil {
            past?.problem = problem
            say(.failed, safe(problem))
        }
        if case .step(_, let steps)? = request.past {
            past?.position = nil
            if before == found.status.at {
                if steps > 0, past?.present != nil { return leavePast() }
                say(
                    .hint,
                    steps > 0
                        ? "this is the end of the recording" : "nothing was recorded before this")
            }
        }
        past?.at = found.status.at
        status = found.status
        daemonAt = found.status.at
        receivedAt = moment.elapsed
        link = .live
        let seen = self
        pages.changeAll { $0.take(found.status, in: seen) }
        if request.page == pages.serial {
            let isMissing = request.question != nil && found.answer == nil && !page.hasLog
            past?.isMissing = isMissing
        }
        if let (question, answer) = found.answer {
            let model = self
            pages.change(request.page) { page in
                // What is shown is what was asked then.
                switch question {
                case .destinations(let query, _), .messages(let query, _): page.query = query
                default: break
                }
                page.take(answer, to: question, in: model)
            }
        }
        let time = past?.position ?? found.status.at
        pages.changeAll { $0.show(until: time) }
        return recallSteps()
    }

    // MARK: Playing

    mutating func playOrStop() -> [Effect] {
        guard var now = past else { return [] }
        now.isPlaying.toggle()
        now.playedFrom = moment.elapsed
        now.position = now.position ?? now.at
        past = now
        return []
    }

    mutating func changeSpeed(by factor: Double) -> [Effect] {
        guard let past else { return [] }
        let speed = past.speed * factor
        self.past?.speed = min(max(speed, Past.speeds.lowerBound), Past.speeds.upperBound)
        return []
    }

    /// A tick in the past.
    mutating func play() -> [Effect] {
        guard let past else { return [] }
        // The first moment of a recording.
        guard let at = past.at else { return past.waiting == nil ? recallNow() : [] }
        guard past.isPlaying, past.waiting == nil else { return [] }
        let elapsed = moment.elapsed - past.playedFrom
        let position = (past.position ?? at) + .seconds(elapsed.inSeconds * past.speed)
        if let span = past.span, position >= span.upperBound {
            if past.present != nil { return leavePast() }
            self.past?.isPlaying = false
            say(.hint, "this is the end of the recording")
            return seek(to: span.upperBound)
        }
        self.past?.position = position
        self.past?.playedFrom = moment.elapsed
        return recall(.at(position), steps: 0)
    }

    // MARK: Typing a time

    mutating func handle(_ key: Key, _ prompt: TimePrompt) -> [Effect] {
        var prompt = prompt
        switch key {
        case .escape, .control("c"):
            overlay = nil
            return []
        case .enter:
            guard let time = time(prompt.field.text) else {
                prompt.isWrong = true
                overlay = .time(prompt)
                return []
            }
            overlay = nil
            return seek(to: time)
        default:
            guard prompt.field.edit(key) else { return [] }
            prompt.isWrong = false
            overlay = .time(prompt)
            return []
        }
    }

    /// `14:05`, `14:05:30`: the last time that the clock said so; `-10m`: before the last moment
    /// that there is.
    func time(_ text: String) -> UnixTime? {
        let text = text.filter { $0 != " " }
        let last = past?.span?.upperBound ?? daemonAt ?? moment.wall
        if text.hasPrefix("-") {
            return Quantity.duration(String(text.dropFirst())).map { last + .seconds(-$0) }
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        guard (2...3).contains(parts.count), let hour = parts[0], let minute = parts[1],
            let second = parts.count == 3 ? parts[2] : 0, (0..<24).contains(hour),
            (0..<60).contains(minute), (0..<60).contains(second)
        else { return nil }
        let day: Int64 = 86_400
        let local = last.milliseconds / 1000 + Int64(moment.utcOffset)
        let midnight = local - (local % day + day) % day
        var wanted = midnight + Int64(hour * 3600 + minute * 60 + second)
        if wanted > local { wanted -= day }
        return UnixTime(milliseconds: (wanted - Int64(moment.utcOffset)) * 1000)
    }

    // MARK: Keeping

    /// Between two samples.
    private static let sampleInterval = Duration.seconds(5)
    private static let samples: [Question] = [
        .destinations(Query(), RowWindow(offset: 0, limit: 100)), .schedule(limit: 100),
        .destinations(Query(), RowWindow(offset: 0, limit: 100)),
        .messages(Query(), RowWindow(offset: 0, limit: 50)), .ages(limit: 100),
        .actions(RowWindow(offset: 0, limit: 50)),
    ]

    /// While another page, a frozen one or the past is shown, what all pages show is asked for now
    /// and then.
    mutating func sample() -> [Effect] {
        guard options.replay == nil, receivedAt != nil, !sampling.isUnderWay else { return [] }
        guard case .live = link else { return [] }
        let last = sampling.at ?? .zero
        guard moment.elapsed - last >= Self.sampleInterval else { return [] }
        sampling.at = moment.elapsed
        sampling.count += 1
        let question = Self.samples[sampling.count % Self.samples.count]
        sampling.isUnderWay = true
        return [.sample(question)]
    }
}
