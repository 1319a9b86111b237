/// Numbers with their nouns, for the lines that operators read.
enum Counted {
    static func deliveries(_ count: Int) -> String {
        "\(count) \(count == 1 ? "delivery" : "deliveries")"
    }

    static func destinations(_ count: Int) -> String {
        "\(count) \(count == 1 ? "destination" : "destinations")"
    }

    static func recipients(_ count: Int) -> String {
        "\(count) \(count == 1 ? "recipient" : "recipients")"
    }

    static func transactions(_ count: Int) -> String {
        "\(count) \(count == 1 ? "transaction" : "transactions")"
    }

    static func workers(_ count: Int) -> String { "\(count) \(count == 1 ? "worker" : "workers")" }
}
