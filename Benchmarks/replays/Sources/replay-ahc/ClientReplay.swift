import ArgumentParser
import ReplayCore

/// The replays over AsyncHTTPClient.
@main struct ClientReplay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "replay-ahc")

    @OptionGroup var settings: ReplaySettings

    func run() async throws {
        let client = AHCClient(settings)
        await ReplayRunner(client).run()
        try await client.shutdown()
    }
}
