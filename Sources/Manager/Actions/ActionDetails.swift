import Control
import FoundationEssentials
import Mail
import Spool

/// What undo needs of an action, kept with it in the spool.
struct ActionDetails: Codable {
    var counts = Counts()
    /// The deliveries that changed, by the state that they had before.
    var queued = DeliverySet()
    var held = DeliverySet()
    var routing = DeliverySet()
    var destinations: [PreviousDestination] = []
    var workers: Int?
    var origin = Origin()
    /// The worker that was drained or is no longer, and who had drained it.
    var drainedWorker: Int?
    var drainedBy: String?

    /// Of several nodes: which did it, and with which actions of others it belongs together.
    struct Origin: Codable, Hashable, Sendable {
        var node: Int64?
        var group: String?
    }

    struct PreviousDestination: Codable, Hashable {
        var id: Int64
        var pin: Int?
        var pausedBy: String?
        var pausedUntil: UnixTime?
        var pauseReason: String
    }

    init(counts: Counts = Counts(), origin: Origin = Origin()) {
        self.counts = counts
        self.origin = origin
    }

    var deliveries: DeliverySet { queued.union(held).union(routing) }

    /// - Parameter figures: ascending from call to call.
    mutating func add(_ figures: [DeliveryFigures]) {
        for delivery in figures {
            switch delivery.state {
            case .queued: queued.append(delivery.id)
            case .held: held.append(delivery.id)
            case .routing: routing.append(delivery.id)
            case .purging, .bouncing: break
            }
        }
    }

    // MARK: On disk

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        counts = try container.decode(Counts.self, forKey: .counts)
        queued = try Self.set(container, .queued)
        held = try Self.set(container, .held)
        routing = try Self.set(container, .routing)
        destinations =
            try container.decodeIfPresent([PreviousDestination].self, forKey: .destinations) ?? []
        workers = try container.decodeIfPresent(Int.self, forKey: .workers)
        drainedWorker = try container.decodeIfPresent(Int.self, forKey: .drainedWorker)
        drainedBy = try container.decodeIfPresent(String.self, forKey: .drainedBy)
        origin = try container.decodeIfPresent(Origin.self, forKey: .origin) ?? Origin()
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(counts, forKey: .counts)
        for (set, key) in [(queued, CodingKeys.queued), (held, .held), (routing, .routing)]
        where !set.isEmpty {
            try container.encode(Data(set.encoded), forKey: key)
        }
        if !destinations.isEmpty { try container.encode(destinations, forKey: .destinations) }
        try container.encodeIfPresent(workers, forKey: .workers)
        try container.encodeIfPresent(drainedWorker, forKey: .drainedWorker)
        try container.encodeIfPresent(drainedBy, forKey: .drainedBy)
        if origin != Origin() { try container.encode(origin, forKey: .origin) }
    }

    private enum CodingKeys: String, CodingKey {
        case counts, queued, held, routing, destinations, workers, drainedWorker, drainedBy
        case origin
    }

    /// Earlier versions wrote the numbers one by one.
    private static func set(
        _ container: KeyedDecodingContainer<CodingKeys>, _ key: CodingKeys
    ) throws -> DeliverySet {
        guard container.contains(key) else { return DeliverySet() }
        guard let data = try? container.decode(Data.self, forKey: key) else {
            return DeliverySet(
                try container.decode([Int64].self, forKey: key).map(DeliveryID.init(rawValue:)))
        }
        guard let set = DeliverySet(encoded: [UInt8](data)) else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: container, debugDescription: "no set of deliveries")
        }
        return set
    }

    init?(decoding bytes: [UInt8]) {
        guard let value = try? JSONDecoder().decode(Self.self, from: Data(bytes)) else {
            return nil
        }
        self = value
    }

    var encoded: [UInt8] {
        (try? JSONEncoder().encode(self)).map { [UInt8]($0) } ?? []
    }

    static func origin(in bytes: [UInt8]) -> Origin {
        struct Part: Decodable { var origin: Origin? }
        return (try? JSONDecoder().decode(Part.self, from: Data(bytes)))?.origin ?? Origin()
    }

    /// For rows, which show no more than these.
    static func counts(in bytes: [UInt8]) -> Counts {
        struct Part: Decodable { var counts: Counts }
        return (try? JSONDecoder().decode(Part.self, from: Data(bytes)))?.counts ?? Counts()
    }
}
