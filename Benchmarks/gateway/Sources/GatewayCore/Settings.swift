public import ArgumentParser
import Glibc
import Hummingbird
import Logging
public import NIOCore
import NIOPosix

/// The options of each candidate.
public struct Settings: ParsableArguments {
    /// The origin, as in "http://127.0.0.1:8080".
    @Option public var upstream: String
    /// The ports of CONNECT proxies on 127.0.0.1.
    @Option public var proxyPort: [Int] = []
    /// The number of credentials.
    @Option public var credentials = 20
    /// A file with the authority of the origin's certificate.
    @Option public var authority: String?

    /// Reads the options of the command line.
    public init() {}

    /// The server's loop, for clients that share it: one thread, as the candidate has one CPU.
    ///
    /// Without it SwiftNIO has a thread for each CPU of the machine.
    public static func makeLoopGroup() -> any EventLoopGroup {
        MultiThreadedEventLoopGroup(numberOfThreads: 1)
    }

    /// Listens on a free port of 127.0.0.1, prints the port, and serves until the process is ended.
    public func serve(
        _ upstream: some Upstream, _ credentials: Credentials, on group: any EventLoopGroup
    ) async throws {
        var logger = Logger(label: "gateway")
        logger.logLevel = .critical
        let application = Application(
            responder: Gateway(upstream: upstream, credentials: credentials),
            configuration: .init(address: .hostname("127.0.0.1", port: 0), backlog: 4096),
            onServerRunning: { channel in
                print(channel.localAddress?.port ?? 0)
                fflush(nil)
            },
            eventLoopGroupProvider: .shared(group), logger: logger)
        try await application.runService()
    }

    /// The credentials as the options say.
    public func makeCredentials() -> Credentials {
        Credentials(count: credentials, proxyPorts: proxyPort)
    }
}
