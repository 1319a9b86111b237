import Control
import Mail
import NIOCore
import Spool

/// A question to a worker about one of its destinations.
struct Inspection {
    var worker: Int
    var promise: EventLoopPromise<DestinationInspection>
}

/// What the page of a destination shows besides its row.
extension Dispatcher {
    /// A worker that takes longer has something else to do; the page does without.
    private static let patience = Duration.seconds(1)

    /// Asks the owner; answers with nothing where there is none.
    func inspect(_ id: Int64, _ promise: EventLoopPromise<DestinationInspection>) {
        guard let worker = table[id]?.ownership.worker, let link = links[worker] else {
            return promise.succeed(DestinationInspection())
        }
        let request = nextRequest
        nextRequest += 1
        inspections[request] = Inspection(worker: worker, promise: promise)
        link.send(.inspect(request: request, destination: id))
        after(Self.patience) { $0.inspected(request, DestinationInspection()) }
    }

    func inspected(_ request: UInt64, _ inspection: DestinationInspection) {
        inspections.removeValue(forKey: request)?.promise.succeed(inspection)
    }

    /// Nobody waits for a worker that is gone.
    func giveUpInspections(of worker: Int) {
        for (request, inspection) in inspections where inspection.worker == worker {
            inspected(request, DestinationInspection())
        }
    }

    /// All but what comes from the spool.
    func detail(of id: Int64, _ inspection: DestinationInspection) -> DestinationDetail? {
        guard let destination = table[id] else { return nil }
        let now = clocks.wall()
        var detail = DestinationDetail(at: now, row: row(of: destination, at: now))
        detail.replies = destination.past.replyCounts(at: now)
        detail.breakerChanges = destination.past.breakerChanges
        detail.minutes = destination.past.minuteRows(at: now)
        detail.connections = inspection.connections.map { report in
            ConnectionRow(
                number: report.number, remote: SafeText(report.remote).text, phase: report.phase,
                since: report.since, openedAt: report.openedAt,
                delivery: report.delivery?.description, tls: report.tls.isEmpty ? nil : report.tls,
                transactions: report.transactions)
        }
        detail.contacts = inspection.contacts.map { report in
            ContactRow(
                remote: SafeText(report.remote).text, at: report.at,
                tls: report.tls.isEmpty ? nil : report.tls,
                problem: report.problem.isEmpty ? nil : SafeText(report.problem).text)
        }
        return detail
    }
}
