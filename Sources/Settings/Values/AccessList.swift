import Glibc

/// Which local users may do something.
package struct AccessList: Hashable, Sendable, Codable {
    /// Everybody who can reach the socket.
    package var everybody: Bool
    package var users: Set<UInt32>
    package var groups: Set<UInt32>

    package init(everybody: Bool = false, users: Set<UInt32> = [], groups: Set<UInt32> = []) {
        self.everybody = everybody
        self.users = users
        self.groups = groups
    }

    /// `groups`: the primary and the supplementary ones.
    package func contains(user: UInt32, groups: some Sequence<UInt32>) -> Bool {
        everybody || users.contains(user) || groups.contains(where: self.groups.contains)
    }

    /// One entry: "*", a user's name or number, "group:" and a group's name or number.
    enum Entry: Hashable {
        case everybody
        case user(UInt32)
        case group(UInt32)
    }

    init(entries: [Entry]) {
        self.init()
        for entry in entries {
            switch entry {
            case .everybody: everybody = true
            case .user(let id): users.insert(id)
            case .group(let id): groups.insert(id)
            }
        }
    }

    static var entryKind: ValueKind<Entry> {
        let expected = "a user (\"mail\", \"1000\"), a group (\"group:adm\") or \"*\""
        return ValueKind(expected) { node, complaints in
            guard case .string(let text) = node.value, !text.isEmpty, !text.utf8.contains(0)
            else { return nil }
            if text == "*" { return .everybody }
            if text.hasPrefix("group:") {
                let name = String(text.dropFirst("group:".count))
                if let id = groupID(name) { return .group(id) }
                complaints.append(
                    ValueComplaint(message: "no such group: \"\(name.escapedForMessage)\""))
            } else {
                if let id = userID(text) { return .user(id) }
                complaints.append(
                    ValueComplaint(message: "no such user: \"\(text.escapedForMessage)\""))
            }
            return nil
        }
    }

    static var groupKind: ValueKind<UInt32> {
        ValueKind("a group's name or number") { node, complaints in
            guard case .string(let name) = node.value, !name.isEmpty, !name.utf8.contains(0)
            else { return nil }
            if let id = groupID(name) { return id }
            complaints.append(
                ValueComplaint(message: "no such group: \"\(name.escapedForMessage)\""))
            return nil
        }
    }

    private static func userID(_ name: String) -> UInt32? {
        if let number = UInt32(name) { return number }
        var entry = passwd()
        var found: UnsafeMutablePointer<passwd>?
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        guard getpwnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else {
            return nil
        }
        return entry.pw_uid
    }

    private static func groupID(_ name: String) -> UInt32? {
        if let number = UInt32(name) { return number }
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        // A group's entry holds its members' names.
        var buffer = [CChar](repeating: 0, count: 1 << 20)
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else {
            return nil
        }
        return entry.gr_gid
    }
}
