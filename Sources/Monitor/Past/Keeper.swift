import Control

/// Keeps what comes: the last hour in memory, and all of it in a file where that is wanted.
struct Keeper: Sendable {
    private let memory: MemoryArchive?
    private let file: RecordingFile?
    private let archive: any Archive

    init(_ configuration: Monitor.Configuration) {
        file = configuration.recording
        if let replay = configuration.replay {
            memory = nil
            archive = replay
        } else {
            let kept = MemoryArchive()
            memory = kept
            archive = kept
        }
    }

    /// What the model is to know of it.
    func keep(_ event: ModelEvent) -> ModelEvent? {
        guard case .fetched(let request, .success(let snapshot)) = event, request.past == nil
        else { return nil }
        return keep(snapshot, request.question)
    }

    func keep(_ snapshot: Snapshot, _ question: Question?) -> ModelEvent? {
        guard let memory, let moment = RecordedMoment(snapshot, question) else { return nil }
        memory.record(moment)
        return file?.record(moment).map { .recordingEnded($0) }
    }

    func keep(_ subject: StreamSubject, _ items: [StreamItem]) -> ModelEvent? {
        file?.record(subject, items).map { .recordingEnded($0) }
    }

    func recall(_ request: FetchRequest) -> Result<Snapshot, Failure> {
        guard let time = request.past, let found = archive.recall(time, request.question) else {
            return .failure(Failure(code: "no-past", message: "nothing has been recorded yet"))
        }
        return .success(Snapshot(found))
    }
}
