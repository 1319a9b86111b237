import Scheduler
package import Settings

/// Reads a scenario from its TOML text; docs/simulator.md describes the keys.
extension Scenario {
    /// - Throws: everything that is wrong with it, by line.
    package init(text: String, file: String) throws(SettingsError) {
        self = try TableReader.read(text: text, file: file) { reader in
            var scenario = Scenario()
            scenario.read(reader)
            return scenario
        }
        name = String(file.split(separator: "/").last?.prefix { $0 != "." } ?? "")
    }

    private mutating func read(_ reader: TableReader) {
        reader.read("title", .text, into: &title)
        reader.read("about", .text, into: &about)
        reader.read("duration", .duration(.seconds(1) ... .seconds(30 * 86_400)), into: &duration)
        reader.read("runs", .integer(1...10_000), into: &runs)
        reader.read("destinations", .integer(1...10_000_000), into: &destinations)
        reader.read("alone", .flag, into: &isAlone)
        reader.read("until_delivery", .flag, into: &endsWithDelivery)
        reader.read("measures", .list(.choice), into: &measures)

        var limits = LimitKeys()
        let limitReader = reader.table("limits")
        limits.read(limitReader)
        limits.check(limitReader, base: Limits())
        var retry = RetryKeys()
        let retryReader = reader.table("retry")
        retry.read(retryReader)
        retry.check(retryReader, base: RetryPolicy())
        policy = DestinationPolicy(
            limits: limits.applied(to: Limits()), retry: retry.applied(to: RetryPolicy()))

        receiver.read(reader.table("receiver"))
        for entry in reader.tables("traffic") {
            let stream = Stream(entry)
            guard entry.has("queued") || entry.has("rate") else {
                entry.error(nil, "neither queued nor rate: there is no mail; set one")
                continue
            }
            streams.append(stream)
        }
        if !reader.has("traffic") {
            reader.error(nil, "there is no mail; add [[traffic]] with queued or rate")
        }
        for entry in reader.tables("target") {
            guard let target = Target(entry) else { continue }
            if target.measure.isOfAnOutage, receiver.outage == nil {
                entry.error("measure", "nothing to measure without [receiver.outage]")
            }
            if target.measure.isOfTheSecondStream, streams.count < 2 {
                entry.error("measure", "nothing to measure without a second [[traffic]]")
            }
            targets.append(target)
            if !measures.contains(target.measure) { measures.append(target.measure) }
        }
    }
}

extension ReceiverModel {
    fileprivate mutating func read(_ reader: TableReader) {
        let time = ValueKind<Duration>.duration(.milliseconds(1) ... .seconds(3600))
        let long = ValueKind<Duration>.duration(.zero ... .seconds(30 * 86_400))
        reader.read("connect", time, into: &connectTime)
        reader.read("transaction", time, into: &transactionTime)
        reader.read("connections", .integer(1...100_000), into: &connectionLimit)
        reader.read("limit_at", .choice, into: &limitAt)
        reader.read(
            "messages_per_connection", .integer(1...1_000_000), into: &messagesPerConnection)
        // All are read, whatever else is wrong: what is said of one stands at its line.
        let rate = reader.read("rate", .rate)
        let burst = reader.read("burst", .number(1...1e6))
        let keeps = reader.read("keeps", .flag)
        need("rate", for: ["burst", "keeps"], reader)
        if let rate {
            quota = Quota(
                rate: rate, burst: burst ?? max(1, rate.perSecond), closes: !(keeps ?? false))
        }
        let connectionRate = reader.read("connection_rate", .rate)
        let connectionBurst = reader.read("connection_burst", .number(1...1e6))
        reader.read("names_rate", .flag, into: &namesConnectionRate)
        need("connection_rate", for: ["connection_burst", "names_rate"], reader)
        if let connectionRate {
            connectionQuota = Quota(
                rate: connectionRate, burst: connectionBurst ?? max(1, connectionRate.perSecond))
        }
        reader.read("machines", .integer(1...1000), into: &machines)
        reader.read("bad", .integer(0...1000), into: &badMachines)
        if badMachines > machines {
            reader.error("bad", "\(badMachines) of \(machines) machines; set machines too")
        }
        reader.read("fault", .choice, into: &fault)
        reader.read("greylisting", long, into: &greylisting)
        reader.read("full", .number(0...1), into: &fullShare)
        if reader.has("outage") {
            let inner = reader.table("outage")
            var length = Duration.zero
            inner.read("for", long, into: &length)
            var outage = Outage(from: .zero, length: length)
            inner.read("from", long, into: &outage.from)
            inner.read("fault", .choice, into: &outage.fault)
            if !inner.has("for") { inner.error(nil, "for is missing: how long it lasts") }
            self.outage = outage
        }
    }

    private func need(_ key: String, for others: [String], _ reader: TableReader) {
        guard !reader.has(key) else { return }
        for other in others where reader.has(other) {
            reader.error(other, "has no meaning without \(key); set \(key) too")
        }
    }
}

extension Scenario.Stream {
    fileprivate init(_ reader: TableReader) {
        let time = ValueKind<Duration>.duration(.zero ... .seconds(30 * 86_400))
        reader.read("name", .text, into: &name)
        reader.read("queued", .integer(0...10_000_000), into: &queued)
        reader.read("rate", .rate, into: &rate)
        reader.read("from", time, into: &from)
        reader.read("for", time, into: &length)
        reader.read("size", .size(2...100_000_000), into: &size)
        reader.read("priority", .integer(0...7), into: &priority)
    }
}

extension Scenario.Target {
    fileprivate init?(_ reader: TableReader) {
        let measure = reader.read("measure", ValueKind<Measure>.choice)
        let number = ValueKind<Double>.number(0...1e12)
        most = reader.read("most", number)
        least = reader.read("least", number)
        guard let measure else {
            if !reader.has("measure") { reader.error(nil, "measure is missing") }
            return nil
        }
        if most == nil, least == nil { reader.error(nil, "neither most nor least: set one") }
        if let most, let least, least > most {
            reader.error("least", "nothing is at least \(least) and at most \(most)")
        }
        self.measure = measure
    }
}
