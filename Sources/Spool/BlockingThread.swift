import Glibc

/// A thread for calls that block: the threads of event loops and of the cooperative pool must not.
package struct BlockingThread: Sendable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private let handle: pthread_t

    package init(_ run: @escaping @Sendable () -> Void) {
        var handle = pthread_t()
        let result = pthread_create(
            &handle, nil,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(Body(run)).toOpaque())
        precondition(result == 0, "cannot start a thread: \(String(cString: strerror(result)))")
        self.handle = handle
    }

    /// Waits for its end. At most once.
    package func join() { pthread_join(handle, nil) }
}
