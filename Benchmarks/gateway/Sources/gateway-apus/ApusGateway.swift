import Apus
import ArgumentParser
import GatewayCore

/// The gateway over Apus.
@main struct ApusGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "gateway-apus")

    @OptionGroup var settings: Settings
    /// Runs the server's tasks on Swift's own pool, as a program does that prefers nothing.
    @Flag var ownPool = false

    func run() async throws {
        var tuning = EngineTuning.executor
        if let file = settings.authority { tuning.tls.roots = .file(file) }
        let engine = try TransportEngine(tuning)
        let credentials = settings.makeCredentials()
        let upstream = try ApusUpstream(engine, to: settings.upstream, credentials)
        // The tasks of all connections inherit the preference: they run where responses arrive.
        let executor = ownPool ? nil : engine.taskExecutor
        try await withTaskExecutorPreference(executor) {
            try await settings.serve(upstream, credentials, on: Settings.makeLoopGroup())
        }
        await engine.shutdown()
    }
}
