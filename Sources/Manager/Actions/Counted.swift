/// Numbers with their nouns, for the lines that operators read.
enum Counted {
    /// `1,240`: as the monitor writes it.
    static func exact(_ count: Int) -> String {
        guard count.magnitude >= 1000 else { return "\(count)" }
        let rest = String(count.magnitude % 1000)
        return "\(exact(count / 1000)),\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }

    static func deliveries(_ count: Int) -> String {
        "\(exact(count)) \(count == 1 ? "delivery" : "deliveries")"
    }

    static func destinations(_ count: Int) -> String {
        "\(exact(count)) \(count == 1 ? "destination" : "destinations")"
    }

    static func recipients(_ count: Int) -> String {
        "\(exact(count)) \(count == 1 ? "recipient" : "recipients")"
    }

    static func transactions(_ count: Int) -> String {
        "\(exact(count)) \(count == 1 ? "transaction" : "transactions")"
    }

    static func workers(_ count: Int) -> String {
        "\(exact(count)) \(count == 1 ? "worker" : "workers")"
    }
}
