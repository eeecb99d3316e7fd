package import Apus
package import Gateway
package import Logging

/// A gateway that runs on loopback, and a client of it.
package final class GatewayGround: Sendable {
    package let gateway: Gateway
    package let services: RunningServices
    /// The client's engine; it shares nothing with the gateway's.
    package let client: TransportEngine

    /// Starts a gateway on a port of the system's choice.
    package init(_ configuration: GatewayConfiguration, logger: Logger? = nil) async throws {
        var silent = Logger(label: "gateway")
        silent.logLevel = .critical
        let logger = logger ?? silent
        var configuration = configuration
        configuration.port = 0
        let gateway = try Gateway(configuration, logger: logger)
        self.gateway = gateway
        services = try await RunningServices(logger: silent) { gateway.services(onRunning: $0) }
        var tuning = EngineTuning.default
        tuning.pool.maxIdlePerHost = nil
        client = try TransportEngine(tuning)
    }

    package var url: String { "http://127.0.0.1:\(services.port)" }

    package func post(
        _ path: String, _ body: RequestBody = .bytes(Bytes("{}")), fields: HTTPFields = [:]
    ) async throws(TransportError) -> Apus.Response {
        try await client.send(.post(url + path, fields: fields), body: body)
    }

    package func get(
        _ path: String, fields: HTTPFields = [:]
    ) async throws(TransportError) -> Apus.Response {
        try await client.send(.get(url + path, fields: fields))
    }

    /// Ends client and gateway.
    package func stop() async throws {
        await client.shutdown()
        try await services.stop()
    }
}
