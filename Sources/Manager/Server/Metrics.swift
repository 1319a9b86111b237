import Control

/// The Prometheus text format, version 0.0.4.
enum Metrics {
    /// - Parameter droppedLines: lines of the log, since the start.
    static func text(_ status: Status, droppedLines: Int) -> String {
        var text = ""
        func metric(_ name: String, _ type: String, _ help: String, _ value: Double) {
            text += "# HELP sluice_\(name) \(help)\n# TYPE sluice_\(name) \(type)\n"
            text += "sluice_\(name) \(value)\n"
        }
        let totals = status.totals
        metric("accepted_total", "counter", "Messages accepted", Double(totals.accepted))
        metric("delivered_total", "counter", "Recipients delivered", Double(totals.delivered))
        metric("deferred_total", "counter", "Recipients deferred", Double(totals.deferred))
        metric("bounced_total", "counter", "Recipients bounced", Double(totals.bounced))
        metric("messages", "gauge", "Messages in the spool", Double(totals.messages))
        metric("connections", "gauge", "Outbound connections", Double(totals.connections))
        metric("destinations", "gauge", "Destinations with mail", Double(totals.destinations))
        metric(
            "spool_healthy", "gauge", "1 while the spool can record",
            status.spoolError == nil ? 1 : 0)
        metric(
            "intake_open", "gauge", "1 while mail is taken in",
            status.spoolError == nil && status.intakeError == nil ? 1 : 0)
        metric(
            "log_lines_dropped_total", "counter",
            "Lines of the log that were dropped, as it could not be written fast enough",
            Double(droppedLines))
        text += "# HELP sluice_deliveries Deliveries in the spool by state\n"
        text += "# TYPE sluice_deliveries gauge\n"
        for (state, count) in [
            ("routing", totals.routing), ("ready", totals.ready), ("delivering", totals.delivering),
            ("delayed", totals.delayed), ("held", totals.held), ("purging", totals.purging),
        ] {
            text += "sluice_deliveries{state=\"\(state)\"} \(count)\n"
        }
        text += "# HELP sluice_worker_up 1 while the worker runs\n# TYPE sluice_worker_up gauge\n"
        for worker in status.workers {
            let up = worker.state == .running || worker.state == .draining ? 1 : 0
            text += "sluice_worker_up{worker=\"\(worker.id)\"} \(up)\n"
        }
        text += "# HELP sluice_worker_restarts_total Restarts of the worker\n"
        text += "# TYPE sluice_worker_restarts_total counter\n"
        for worker in status.workers {
            text += "sluice_worker_restarts_total{worker=\"\(worker.id)\"} \(worker.restarts)\n"
        }
        return text
    }
}
