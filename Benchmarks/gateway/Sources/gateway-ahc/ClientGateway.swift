import ArgumentParser
import GatewayCore

/// The gateway over AsyncHTTPClient.
@main struct ClientGateway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "gateway-ahc")

    @OptionGroup var settings: Settings

    func run() async throws {
        let upstream = ClientUpstream(to: settings.upstream, authority: settings.authority)
        try await settings.serve(upstream, settings.makeCredentials())
    }
}
