import Dispatch
import Mail
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Spool

/// Outcomes in the order in which they came, by a name given at submission.
private final class Outcomes: Sendable {
    private let list = Mutex<[(name: Int, result: Result<Void, SpoolError>)]>([])
    private let arrived = DispatchSemaphore(value: 0)

    func completion(_ name: Int, on loop: any EventLoop) -> SpoolWriter.Completion {
        { result in
            loop.assertInEventLoop()
            self.list.withLock { $0.append((name, result)) }
            self.arrived.signal()
        }
    }

    func wait(for count: Int) { for _ in 0..<count { arrived.wait() } }

    var names: [Int] { list.withLock { $0.map(\.name) } }

    var failures: [Int: SpoolError.Code] {
        list.withLock { list in
            var failures: [Int: SpoolError.Code] = [:]
            for case (let name, .failure(let error)) in list { failures[name] = error.code }
            return failures
        }
    }
}

@Suite("Spool writer")
struct SpoolWriterTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let outcomes = Outcomes()
    /// A lazy submission of this writer never goes by itself.
    private let never = Duration.seconds(1_000_000)

    private func submit(
        _ name: Int64, to writer: SpoolWriter, lazily: Bool = false, on loop: (any EventLoop)? = nil
    ) {
        let loop = loop ?? self.loop
        let completion = outcomes.completion(Int(name), on: loop)
        if lazily {
            writer.submitLazily([.remove(id(name))], on: loop, completion: completion)
        } else {
            writer.submit([.accept(message(name))], on: loop, completion: completion)
        }
    }

    /// Occupies the writer with a commit of message 0, so that what comes next gathers.
    private func occupy(_ spool: FaultySpool, _ writer: SpoolWriter) {
        spool.closeGate()
        submit(100, to: writer)
        spool.waitUntilACommitHasBegun()
    }

    @Test func whatGathersDuringACommitIsOneCommit() {
        let spool = FaultySpool()
        let writer = SpoolWriter(spool: spool, lazyDelay: never)
        occupy(spool, writer)
        for name in 1...5 { submit(Int64(name), to: writer) }
        #expect(spool.batches.count == 1)
        #expect(outcomes.names.isEmpty)
        spool.openGate()
        outcomes.wait(for: 6)
        #expect(spool.batches.map(\.count) == [1, 5])
        #expect(outcomes.names == [100, 1, 2, 3, 4, 5])
        #expect(outcomes.failures.isEmpty)
        #expect(writer.pendingBytes == 0)
        writer.close()
    }

    @Test func completionsComeOnTheirOwnLoops() {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        defer { try? group.syncShutdownGracefully() }
        let loops = [group.next(), group.next()]
        let writer = SpoolWriter(spool: FaultySpool())
        for name in 1...10 { submit(Int64(name), to: writer, on: loops[name % 2]) }
        outcomes.wait(for: 10)
        #expect(outcomes.names.filter { $0 % 2 == 0 } == [2, 4, 6, 8, 10])
        #expect(outcomes.names.filter { $0 % 2 == 1 } == [1, 3, 5, 7, 9])
        writer.close()
    }

    @Test func lazyOnesRideWithTheNextEagerOneInOrder() {
        let spool = FaultySpool()
        let writer = SpoolWriter(spool: spool, lazyDelay: never)
        submit(1, to: writer, lazily: true)
        submit(2, to: writer, lazily: true)
        submit(3, to: writer)
        outcomes.wait(for: 3)
        #expect(spool.batches.count == 1)
        guard case .remove(id(1)) = spool.batches[0][0], case .remove(id(2)) = spool.batches[0][1],
            case .accept = spool.batches[0][2]
        else {
            Issue.record("out of order: \(spool.batches)")
            return
        }
        writer.close()
    }

    @Test func lazyOnesGoAloneAfterTheirDelay() {
        let spool = FaultySpool()
        let writer = SpoolWriter(spool: spool, lazyDelay: .milliseconds(1))
        submit(1, to: writer, lazily: true)
        outcomes.wait(for: 1)
        #expect(spool.batches.map(\.count) == [1])
        writer.close()
    }

    @Test func closingCommitsWhatIsPending() {
        let spool = FaultySpool()
        let writer = SpoolWriter(spool: spool, lazyDelay: never)
        submit(1, to: writer, lazily: true)
        writer.close()
        outcomes.wait(for: 1)
        #expect(spool.batches.count == 1)
        submit(2, to: writer)
        outcomes.wait(for: 1)
        #expect(outcomes.failures == [2: .unusable])
        #expect(writer.pendingBytes == 0)
        #expect(spool.batches.count == 1)
        writer.close()
    }

    @Test func pendingBytesCountTheBodies() {
        let spool = FaultySpool()
        let writer = SpoolWriter(spool: spool, lazyDelay: never)
        occupy(spool, writer)
        let before = writer.pendingBytes
        let body = String(repeating: "x", count: 100_000)
        writer.submit(
            [.accept(message(1, body: body))], on: loop,
            completion: outcomes.completion(1, on: loop))
        #expect((100_000..<110_000).contains(writer.pendingBytes - before))
        spool.openGate()
        outcomes.wait(for: 2)
        #expect(writer.pendingBytes == 0)
        writer.close()
    }

    @Test func aFullDiskFailsTheWholeBatchAtOnce() {
        let spool = FaultySpool { commit, _ in
            commit == 1 ? SpoolError(code: .cannotWrite, cause: "full", context: "test") : nil
        }
        let writer = SpoolWriter(spool: spool, lazyDelay: never)
        occupy(spool, writer)
        for name in 1...3 { submit(Int64(name), to: writer) }
        spool.openGate()
        outcomes.wait(for: 4)
        #expect(outcomes.failures == [1: .cannotWrite, 2: .cannotWrite, 3: .cannotWrite])
        #expect(spool.batches.count == 2)
        submit(4, to: writer)
        outcomes.wait(for: 1)
        #expect(outcomes.failures[4] == nil)
        writer.close()
    }

    @Test func oneBadSubmissionDoesNotFailTheOthers() throws {
        let directory = try TemporaryDirectory()
        let real = try SQLiteSpool(directory: directory.path)
        try real.commit([.accept(message(2))])
        let spool = FaultySpool(real)
        let writer = SpoolWriter(spool: spool, lazyDelay: never)
        occupy(spool, writer)
        for name in 1...3 { submit(Int64(name), to: writer) }
        spool.openGate()
        outcomes.wait(for: 4)
        #expect(outcomes.failures == [2: .refused])
        #expect(spool.batches.map(\.count) == [1, 3, 1, 1, 1])
        #expect(try real.ids() == [id(1), id(2), id(3), id(100)])
        writer.close()
    }

    @Test func aDiskThatFillsUpWhileOneByOneEndsIt() {
        // Commit 1 is the batch, 2 to 5 would be its parts.
        let spool = FaultySpool { commit, _ in
            switch commit {
            case 1, 2: SpoolError(code: .refused, cause: "duplicate", context: "test")
            case 4: SpoolError(code: .cannotWrite, cause: "full", context: "test")
            default: nil
            }
        }
        let writer = SpoolWriter(spool: spool, lazyDelay: never)
        occupy(spool, writer)
        for name in 1...4 { submit(Int64(name), to: writer) }
        spool.openGate()
        outcomes.wait(for: 5)
        #expect(outcomes.failures == [1: .refused, 3: .cannotWrite, 4: .cannotWrite])
        #expect(spool.batches.count == 5)
        writer.close()
    }

    @Test func manyThreadsAtOnce() throws {
        let directory = try TemporaryDirectory()
        let spool = try SQLiteSpool(directory: directory.path)
        let writer = SpoolWriter(spool: spool)
        DispatchQueue.concurrentPerform(iterations: 4) { thread in
            for index in 0..<100 {
                let number = Int64(thread * 100 + index + 1)
                submit(number, to: writer)
                if index % 2 == 0 { submit(number, to: writer, lazily: true) }
            }
        }
        writer.close()
        outcomes.wait(for: 600)
        #expect(outcomes.failures.isEmpty)
        #expect(try spool.ids() == (1...400).filter { $0 % 2 == 0 }.map { id(Int64($0)) })
    }
}
