import ArgumentParser
import GatewayCore

/// The gateway over AsyncHTTPClient.
@main struct ClientGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "gateway-ahc")

    @OptionGroup var settings: Settings

    func run() async throws {
        let group = Settings.makeLoopGroup()
        let upstream = ClientUpstream(
            to: settings.upstream, authority: settings.authority, on: group)
        try await settings.serve(upstream, settings.makeCredentials(), on: group)
    }
}
