/// Rows as they are among those of several hosts: they say whose they are, and their ids with it.
protocol HostRow: Sendable {
    var host: String? { get }

    func on(_ host: String) -> Self
    /// As it was, so long ago.
    func stale(_ seconds: Double?) -> Self
}

extension HostRow {
    func stale(_ seconds: Double?) -> Self { self }
}

private func qualified(_ id: String, _ host: String) -> String {
    QualifiedID(host: host, id: id).description
}

extension DestinationRow: HostRow {
    func on(_ host: String) -> DestinationRow {
        var row = self
        row.id = qualified(id, host)
        row.host = host
        return row
    }

    func stale(_ seconds: Double?) -> DestinationRow {
        var row = self
        row.staleSeconds = seconds ?? staleSeconds
        return row
    }
}

extension MessageRow: HostRow {
    func on(_ host: String) -> MessageRow {
        var row = self
        row.id = qualified(id, host)
        row.message = qualified(message, host)
        row.destination = destination.map { qualified($0, host) }
        row.host = host
        return row
    }

    func stale(_ seconds: Double?) -> MessageRow {
        var row = self
        row.staleSeconds = seconds ?? staleSeconds
        return row
    }
}

extension WorkerRow: HostRow {
    func on(_ host: String) -> WorkerRow {
        var row = self
        row.host = host
        return row
    }

    func stale(_ seconds: Double?) -> WorkerRow {
        var row = self
        row.staleSeconds = seconds ?? staleSeconds
        return row
    }
}

extension NodeRow: HostRow {
    func on(_ host: String) -> NodeRow {
        var row = self
        row.host = host
        return row
    }

    func stale(_ seconds: Double?) -> NodeRow {
        var row = self
        row.staleSeconds = seconds ?? staleSeconds
        return row
    }
}

extension ActionRow: HostRow {
    func on(_ host: String) -> ActionRow {
        var row = self
        row.id = qualified(id, host)
        row.host = host
        return row
    }
}

extension Event: HostRow {
    func on(_ host: String) -> Event {
        var event = self
        event.message = message.map { qualified($0, host) }
        event.destination = destination.map { qualified($0, host) }
        event.host = host
        return event
    }
}

extension TraceLine {
    func on(_ host: String) -> TraceLine {
        var line = self
        line.destination = qualified(destination, host)
        return line
    }
}

extension RunningAction {
    func on(_ host: String) -> RunningAction {
        var action = self
        action.id = qualified(id, host)
        action.host = host
        return action
    }
}

extension DestinationDetail {
    func on(_ host: String) -> DestinationDetail {
        var detail = self
        detail.row = row.on(host)
        detail.due = due.map { $0.on(host) }
        for index in connections.indices {
            detail.connections[index].delivery =
                connections[index].delivery.map { qualified($0, host) }
        }
        return detail
    }
}

extension MessageDetail {
    func on(_ host: String) -> MessageDetail {
        var detail = self
        detail.id = qualified(id, host)
        detail.deliveries = deliveries.map { $0.on(host) }
        for index in history.indices {
            detail.history[index].delivery = qualified(history[index].delivery, host)
        }
        return detail
    }
}

extension MessageBody {
    func on(_ host: String) -> MessageBody {
        var body = self
        body.id = qualified(id, host)
        return body
    }
}

extension AgeMap {
    func on(_ host: String) -> AgeMap {
        var map = self
        for index in rows.indices {
            map.rows[index].id = qualified(rows[index].id, host)
            map.rows[index].host = host
        }
        return map
    }
}

extension Schedule {
    func on(_ host: String) -> Schedule {
        var schedule = self
        for index in probes.indices {
            schedule.probes[index].id = qualified(probes[index].id, host)
            schedule.probes[index].host = host
        }
        for index in expiring.indices {
            schedule.expiring[index].id = qualified(expiring[index].id, host)
            schedule.expiring[index].host = host
        }
        return schedule
    }
}

extension Plan {
    func on(_ host: String) -> Plan {
        var plan = self
        plan.id = qualified(id, host)
        plan.samples = samples.map { $0.on(host) }
        return plan
    }
}

extension Page where Row: HostRow {
    func on(_ host: String, stale seconds: Double?) -> Page {
        var page = self
        page.rows = rows.map { $0.on(host).stale(seconds) }
        return page
    }
}
