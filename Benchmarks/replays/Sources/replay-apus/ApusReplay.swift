import Apus
import ArgumentParser
import ReplayCore

/// The replays over Apus.
@main struct ApusReplay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "replay-apus")

    @OptionGroup var settings: ReplaySettings

    func run() async throws {
        var tuning = EngineTuning.executor
        tuning.tls.roots = .file(settings.authority)
        if let seconds = settings.pingAfter { tuning.http2.pingAfter = .seconds(seconds) }
        if let seconds = settings.connectTimeout { tuning.dial.connectTimeout = .seconds(seconds) }
        let engine = try TransportEngine(tuning)
        await ReplayRunner(ApusClient(engine: engine)).run()
        await engine.shutdown()
    }
}
