import Glibc

/// A file that lasts as long as somebody refers to it.
package final class SpoolCopy: Sendable {
    package let path: String

    init(path: String) {
        self.path = path
    }

    deinit {
        unlink(path)
    }
}
