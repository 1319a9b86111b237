import Control
import Mail
import NIOCore
import Scheduler

/// Makes frames by chance, the same ones for the same seed.
struct FrameMaker {
    private var random: SplitMix64

    init(seed: UInt64) {
        random = SplitMix64(seed: seed &+ 1)
    }

    mutating func all() -> [Frame] {
        [
            .configure(worker: int(), configuration: buffer()),
            .resolve(request: number(), domain: text()),
            .assign(assignment()),
            .enqueue(list { $0.queued() }),
            .deliver(queued(), job()),
            .job(delivery(), destination: int64(), Bool.random(using: &random) ? job() : nil),
            .withdraw(request: number(), list { $0.delivery() }),
            .pause(destination: int64(), until: optional { $0.time() }, by: text(), reason: text()),
            .resume(destination: int64()),
            .retryNow(destination: int64(), list { $0.delivery() }),
            .surrender(destination: int64()),
            .recorded(number()),
            .recording(Bool.random(using: &random)),
            .lease(
                until: Instant(nanoseconds: int64()),
                ahead: .milliseconds(Int64.random(in: -100_000...100_000, using: &random))),
            .trace(
                destination: int64(), on: Bool.random(using: &random),
                content: Bool.random(using: &random)),
            .inspect(request: number(), destination: int64()),
            .inspected(request: number(), inspection()),
            .shutdown(grace: .milliseconds(Int64.random(in: 0...100_000, using: &random))),
            .hello(pid: Int32.random(in: .min ... .max, using: &random)),
            .heartbeat(
                Load(
                    destinations: int(), queued: int(), connections: int(),
                    cpuMicroseconds: int64(), residentBytes: int64())),
            .resolved(request: number(), route()),
            .fetch(destination: int64(), list { $0.delivery() }),
            .results(list { $0.attempt() }),
            .status(list { $0.destination() }),
            .withdrawn(request: number(), running: list { $0.delivery() }),
            .surrendered(destination: int64(), snapshot: bytes()),
            .traced(
                destination: int64(), connection: int(), direction: byte(), dropped: int(),
                line: text()),
        ]
    }

    mutating func queued() -> QueuedDelivery {
        QueuedDelivery(
            id: delivery(), destination: int64(), due: time(), received: time(),
            attempts: int(), size: int(), senderHash: UInt32.random(in: 0 ... .max, using: &random),
            priority: Int.random(in: -3...4, using: &random))
    }

    mutating func job() -> Job {
        Job(
            domain: text(), sender: text(),
            recipients: list {
                JobRecipient(address: $0.text(), notify: $0.text(), originalRecipient: $0.text())
            },
            eightBit: Bool.random(using: &random), utf8: Bool.random(using: &random),
            leadingDots: Bool.random(using: &random), ret: text(), envelopeID: text(),
            body: buffer())
    }

    mutating func assignment() -> Assignment {
        Assignment(
            destination: int64(), identity: text(), name: text(), domains: list { $0.text() },
            snapshot: bytes(), pausedBy: optional { $0.text() },
            pausedUntil: optional { $0.time() }, pauseReason: text())
    }

    mutating func attempt() -> AttemptReport {
        var report = AttemptReport(
            number: number(), delivery: delivery(), destination: int64(),
            disposition: [.settled, .retry, .expired].randomElement(using: &random)!,
            attempts: int(), due: time(), remote: text(), tls: text(), milliseconds: int(),
            recipients: list {
                RecipientReport(
                    outcome: [.delivered, .deferred, .failed, .relayed].randomElement(
                        using: &$0.random)!,
                    reply: $0.text())
            },
            reply: text(), rule: text(), at: time())
        report.trail.sender = text()
        report.trail.recipients = list { $0.text() }
        report.trail.connect = optional { $0.int() }
        report.trail.mail = optional { $0.int() }
        report.trail.data = optional { $0.int() }
        return report
    }

    mutating func destination() -> DestinationReport {
        DestinationReport(
            destination: int64(), ready: int(), delayed: int(), running: list { $0.delivery() },
            connections: int(), window: int(), limit: int(), tokens: optional { $0.double() },
            burst: optional { $0.double() }, rate: optional { $0.double() }, breaker: byte(),
            breakerUntil: optional { $0.time() }, failures: int(),
            nextDue: optional { $0.time() }, oldest: optional { $0.time() }, suspended: int(),
            latestDue: optional { $0.time() }, learnedRate: optional { $0.double() },
            learnedConnectionRate: optional { $0.double() },
            waits: list { $0.why() }, exchangers: list { $0.text() }, snapshot: bytes())
    }

    private mutating func why() -> Why {
        var why = Why(kind: text(), text: text(), until: optional { $0.time() })
        why.detail = optional { maker in
            var facts = Wait.Facts()
            facts.by = maker.optional { $0.text() }
            facts.reason = maker.optional { $0.text() }
            facts.reply = maker.optional { $0.text() }
            facts.attempts = maker.optional { $0.int() }
            facts.rate = maker.optional { $0.double() }
            facts.burst = maker.optional { $0.double() }
            facts.busy = maker.optional { $0.int() }
            facts.window = maker.optional { $0.int() }
            facts.limit = maker.optional { $0.int() }
            facts.deliveries = maker.optional { $0.int() }
            facts.worker = maker.optional { $0.int() }
            return facts
        }
        return why
    }

    private mutating func inspection() -> DestinationInspection {
        var inspection = DestinationInspection()
        inspection.connections = list {
            ConnectionReport(
                number: $0.int(), remote: $0.text(), phase: $0.text(), since: $0.time(),
                openedAt: $0.time(), delivery: $0.optional { $0.delivery() }, tls: $0.text(),
                transactions: $0.int())
        }
        inspection.contacts = list {
            ContactReport(remote: $0.text(), at: $0.time(), tls: $0.text(), problem: $0.text())
        }
        inspection.due = list { DueReport(delivery: $0.delivery(), at: $0.time()) }
        return inspection
    }

    private mutating func route() -> RouteResult {
        switch Int.random(in: 0..<3, using: &random) {
        case 0:
            .exchangers(
                list {
                    ExchangerRecord(
                        host: $0.text(), preference: UInt16($0.byte()) << 8 | 1,
                        addresses: $0.list { $0.text() })
                }, ttl: int())
        case 1: .permanent(code: text(), text: text())
        default: .temporary(text())
        }
    }

    private mutating func int() -> Int { Int.random(in: .min ... .max, using: &random) }
    private mutating func int64() -> Int64 { Int64.random(in: .min ... .max, using: &random) }
    private mutating func number() -> UInt64 { UInt64.random(in: 0 ... .max, using: &random) }
    private mutating func byte() -> UInt8 { UInt8.random(in: 0 ... .max, using: &random) }
    private mutating func double() -> Double { Double.random(in: -1e9...1e9, using: &random) }
    private mutating func time() -> UnixTime { UnixTime(milliseconds: int64()) }
    private mutating func delivery() -> DeliveryID { DeliveryID(rawValue: int64()) }

    private mutating func text() -> String {
        let parts = ["", "a", "example.com", "é", "日本", "\u{0}", "\r\n", "[192.0.2.1]:25"]
        return (0..<Int.random(in: 0...5, using: &random)).map { _ in
            parts.randomElement(using: &random)!
        }.joined()
    }

    private mutating func bytes() -> [UInt8] { list { $0.byte() } }
    private mutating func buffer() -> ByteBuffer { ByteBuffer(bytes: bytes()) }

    private mutating func list<T>(_ make: (inout FrameMaker) -> T) -> [T] {
        (0..<Int.random(in: 0...3, using: &random)).map { _ in make(&self) }
    }

    private mutating func optional<T>(_ make: (inout FrameMaker) -> T) -> T? {
        Bool.random(using: &random) ? make(&self) : nil
    }
}
