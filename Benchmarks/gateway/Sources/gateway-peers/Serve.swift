import ArgumentParser
import NIOCore
import NIOHTTP1
import NIOPosix

/// The origin and the CONNECT proxies, each on a free port of 127.0.0.1.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves until a line comes; prints the ports first, and at the end the logins.")

    /// The number of CONNECT proxies.
    @Option var proxies = 0

    func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let logins = NIOLoopBoundBox.makeBoxSendingValue(Set<String>(), eventLoop: group.next())
        let origin = try await listen(on: group) { channel in
            try channel.pipeline.syncOperations.configureHTTPServerPipeline()
            try channel.pipeline.syncOperations.addHandler(Origin())
        }
        var ports: [Int] = []
        for _ in 0..<proxies {
            ports.append(
                try await listen(on: group) { channel in
                    try channel.pipeline.syncOperations.addHandler(ConnectProxy(logins))
                })
        }
        report(#"{"origin": \#(origin), "proxies": \#(ports)}"#)
        waitForScript()
        let count = try await group.next().submit { logins.value.count }.get()
        report(#"{"logins": \#(count)}"#)
        try await group.shutdownGracefully()
    }

    /// Listens on a free port; returns it.
    private func listen(
        on group: MultiThreadedEventLoopGroup,
        _ prepare: @escaping @Sendable (any Channel) throws -> Void
    ) async throws -> Int {
        let server = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try prepare(channel) }
            }
        let channel = try await server.bind(host: "127.0.0.1", port: 0).get()
        return channel.localAddress?.port ?? 0
    }
}
