import Apus
import Gateway
import GatewayFixtures

/// A configuration with one upstream, whose credentials have the names given.
func configuration(
    _ origin: ScriptedOrigin, credentials: [String] = ["only"],
    _ change: (inout GatewayConfiguration.Upstream) -> Void = { _ in }
) -> GatewayConfiguration {
    var configuration = GatewayConfiguration()
    var upstream = GatewayConfiguration.Upstream(name: "api", origin: origin.url)
    upstream.credentials = credentials.map { .init(name: $0, secret: "secret-of-\($0)") }
    change(&upstream)
    configuration.upstreams = [upstream]
    return configuration
}

/// Runs a test with a gateway, which is shut down at its end.
func withGateway(
    _ configuration: GatewayConfiguration, _ body: (GatewayGround) async throws -> Void
) async throws {
    let ground = try await GatewayGround(configuration)
    do {
        try await body(ground)
    } catch {
        try await ground.stop()
        throw error
    }
    try await ground.stop()
}

/// Waits until a condition holds; `false` when it does not within a generous time.
func eventually(_ condition: () async -> Bool) async -> Bool {
    let end = ContinuousClock.now + .seconds(20)
    while ContinuousClock.now < end {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return await condition()
}
