/// Work on many parts, done by two threads where it is worth it: somebody waits for the answer.
enum Halves {
    /// Below so many parts starting a thread takes as long as what it would save.
    private static let worthwhile = 128

    /// Calls `body` with all numbers below `count`, on two threads at once: it must be safe to call
    /// so.
    static func each(_ count: Int, _ body: (Int) -> Void) {
        guard count >= worthwhile else {
            for number in 0..<count { body(number) }
            return
        }
        withoutActuallyEscaping(body) { body in
            let work = Work(body: body)
            let other = BlockingThread { work.run(count / 2..<count) }
            work.run(0..<count / 2)
            other.join()
        }
    }

    /// The results of all numbers below `count`, in their order; called as by `each`.
    static func map<Result: Sendable>(_ count: Int, _ body: (Int) -> Result) -> [Result] {
        [Result](unsafeUninitializedCapacity: count) { results, initialized in
            let start = results.baseAddress
            each(count) { number in (start! + number).initialize(to: body(number)) }
            initialized = count
        }
    }

    /// Its caller waits until both threads are done.
    private struct Work: @unchecked Sendable {
        let body: (Int) -> Void

        func run(_ numbers: Range<Int>) {
            for number in numbers { body(number) }
        }
    }
}
