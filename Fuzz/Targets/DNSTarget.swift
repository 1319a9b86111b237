import Settings
import Worker

extension FuzzTarget {
    /// What the DNS says of a domain: MX records, and the addresses of the exchangers that they
    /// name. Whatever it is, the look-up ends, and what it finds can be connected to.
    static let dns = FuzzTarget("dns", maximumLength: 2048) { bytes in
        var input = DNSInput(bytes)
        let settings = input.byte()
        let own = "mx.own.test"
        var lookup = RouteLookup(
            settings & 1 == 0
                ? .mx(domain: "example.test", own: own) : .addresses(host: "host.test", port: 25))
        var step = lookup.begin()
        var rounds = 0
        while case .ask(let questions) = step {
            rounds += 1
            try demand(rounds <= 2, "It asks again and again")
            try demand(questions.count <= 2 * RouteLookup.maximumExchangers, "Too many questions")
            step = .wait
            for question in questions {
                try demandEqual(
                    HostName.canonical(question.name), question.name, "A name asked for")
                let reply = input.reply()
                if question.kind == .mx, case .records(let data, _) = reply {
                    for record in data { try demandRecord(record) }
                }
                step = lookup.receive(reply, to: question)
            }
            try demand(step != .wait, "It waits for what has come")
        }
        guard case .done(let answer) = step else { throw Violation(description: "No end: \(step)") }
        guard case .exchangers(let exchangers, let ttl) = answer else { return }
        try demand((1...86_400).contains(ttl), "Kept for \(ttl) s")
        try demand((1...RouteLookup.maximumExchangers).contains(exchangers.count), "Exchangers")
        try demand(
            zip(exchangers, exchangers.dropFirst()).allSatisfy { $0.preference <= $1.preference },
            "Not the most preferred first")
        for exchanger in exchangers {
            try demand(settings & 1 == 1 || exchanger.host != own, "Mail goes round in a circle")
            try demandEqual(HostName.canonical(exchanger.host), exchanger.host, "A host")
            try demand(
                (1...RouteLookup.maximumAddresses).contains(exchanger.addresses.count),
                "\(exchanger.addresses.count) addresses")
            for text in exchanger.addresses {
                guard let address = IPAddress(text: text) else {
                    throw Violation(description: "No address: \(text)")
                }
                try demandEqual(address.description, text, "An address read again")
                try demand(!address.isUnspecified, "The address of this host: \(text)")
            }
        }
    }

    /// A record that can be read is the same one when it is written and read again.
    private static func demandRecord(_ data: [UInt8]) throws {
        guard let record = MXRecord(data: data) else { return }
        try demand(record.host.utf8.count <= 253, "A name of \(record.host.utf8.count) octets")
        var wire = [UInt8(record.preference >> 8), UInt8(record.preference & 255)]
        for label in record.host.split(separator: ".") {
            wire.append(UInt8(label.utf8.count))
            wire += label.utf8
        }
        try demandEqual(MXRecord(data: wire + [0]), record, "Read again")
    }
}

/// Replies made of bytes.
private struct DNSInput {
    private var bytes: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

    /// The first byte says what it is and how many records there are, a byte before each its
    /// length.
    mutating func reply() -> Worker.Reply {
        let kind = byte()
        switch kind {
        case 0: return .noData
        case 1: return .noSuchDomain
        case 2: return .failed("SERVFAIL")
        default:
            let ttl = Int(byte()) << 12
            let records = (0...Int(kind) % 48).map { _ in
                let length = Int(byte())
                defer { bytes = bytes.dropFirst(length) }
                return Array(bytes.prefix(length))
            }
            return .records(records, ttl: ttl)
        }
    }
}
