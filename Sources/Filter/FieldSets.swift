extension FilterFields {
    /// The words of `why`, for destinations as for messages: the kinds that the daemon gives.
    package static let whyKinds = [
        "nothing", "paused", "held", "breaker", "probing", "tokens", "learned-rate",
        "connection-rate", "learned-connection-rate", "window", "connections", "schedule", "worker",
        "routing", "spool",
        "purging",
    ]

    package static let destinationStates = [
        "paused", "backoff", "probing", "waiting", "delivering", "scheduled", "idle",
    ]

    package static let messageStates = [
        "routing", "ready", "delivering", "delayed", "held", "purging",
    ]

    /// What rows of `GET /v1/destinations` are filtered and sorted by.
    package static let destinations = FilterFields(
        fields: [
            FilterField(name: "id", kind: .number, help: "the destination's number"),
            FilterField(name: "name", kind: .text, help: "its name on the screen"),
            FilterField(name: "domain", kind: .text, help: "any of its domains"),
            FilterField(
                name: "state", kind: .choice(destinationStates), help: "what it is doing"),
            FilterField(name: "why", kind: .choice(whyKinds), help: "what its mail waits for"),
            FilterField(name: "worker", kind: .number, help: "the worker in charge of it"),
            FilterField(name: "node", kind: .text, help: "the node that has it, of several"),
            FilterField(name: "pinned", kind: .flag, help: "an operator chose the worker"),
            FilterField(name: "paused", kind: .flag, help: "an operator keeps it back"),
            FilterField(name: "queued", kind: .number, help: "deliveries in the spool"),
            FilterField(name: "ready", kind: .number, help: "deliveries that are due"),
            FilterField(name: "delayed", kind: .number, help: "deliveries due later"),
            FilterField(name: "held", kind: .number, help: "deliveries on hold"),
            FilterField(name: "delivering", kind: .number, help: "transactions running"),
            FilterField(name: "connections", kind: .number, help: "connections open"),
            FilterField(name: "window", kind: .number, help: "connections it may have now"),
            FilterField(name: "limit", kind: .number, help: "connections it may ever have"),
            FilterField(name: "tokens", kind: .number, help: "left in its rate bucket"),
            FilterField(name: "rate", kind: .number, help: "its limit in messages per second"),
            FilterField(name: "failures", kind: .number, help: "failures since it last worked"),
            FilterField(name: "attempts", kind: .number, help: "attempts since the start"),
            FilterField(name: "out", kind: .number, help: "deliveries per second now"),
            FilterField(name: "delivered", kind: .number, help: "recipients since the start"),
            FilterField(name: "deferred", kind: .number, help: "recipients since the start"),
            FilterField(name: "bounced", kind: .number, help: "recipients since the start"),
            FilterField(name: "exchanger", kind: .text, help: "any of its mail exchangers"),
            FilterField(name: "age", kind: .duration, help: "of the oldest mail"),
            FilterField(name: "next", kind: .duration, help: "time to the next attempt"),
            FilterField(name: "code", kind: .code, help: "of the last reply"),
            FilterField(name: "reply", kind: .text, help: "the last reply"),
        ],
        bareWord: "domain")

    /// What rows of `GET /v1/messages` are filtered and sorted by.
    package static let messages = FilterFields(
        fields: [
            FilterField(name: "id", kind: .text, help: "the delivery, as in 1a2b.0"),
            FilterField(name: "message", kind: .text, help: "the message, as in 1a2b"),
            FilterField(name: "domain", kind: .text, help: "the recipients' domain"),
            FilterField(name: "sender", kind: .text, help: "the envelope sender; <> for none"),
            FilterField(name: "recipient", kind: .text, help: "any recipient still queued"),
            FilterField(name: "size", kind: .size, help: "of the message, in bytes"),
            FilterField(name: "age", kind: .duration, help: "since it was accepted"),
            FilterField(name: "attempts", kind: .number, help: "attempts so far"),
            FilterField(
                name: "priority", kind: .number, help: "-3 (bulk) to 4 (urgent); 0 is normal"),
            FilterField(name: "next", kind: .duration, help: "time to the next attempt"),
            FilterField(name: "expires", kind: .duration, help: "time until it is given up"),
            FilterField(name: "state", kind: .choice(messageStates), help: "what it is doing"),
            FilterField(name: "why", kind: .choice(whyKinds), help: "what it waits for"),
            FilterField(name: "code", kind: .code, help: "of the last reply"),
            FilterField(name: "reply", kind: .text, help: "the last reply"),
            FilterField(name: "destination", kind: .text, help: "its destination's name or number"),
            FilterField(name: "worker", kind: .number, help: "the worker in charge of it"),
            FilterField(name: "node", kind: .text, help: "the node that has it, of several"),
        ],
        bareWord: "recipient")
}
