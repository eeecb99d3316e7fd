import Testing

/// Waits until a condition holds; the time only guards against hanging.
func eventually(_ what: String, _ condition: () -> Bool) async throws {
    let end = ContinuousClock.now.advanced(by: .seconds(120))
    while !condition() {
        try #require(ContinuousClock.now < end, "never happened: \(what)")
        try await Task.sleep(for: .milliseconds(5))
    }
}
