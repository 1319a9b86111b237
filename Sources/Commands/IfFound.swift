import Control

/// The answer, nil where the daemon says that there is no such thing.
func ifFound<T>(_ request: () async throws -> T) async throws -> T? {
    do {
        return try await request()
    } catch let error as APIError where error.code == "not-found" {
        return nil
    }
}
