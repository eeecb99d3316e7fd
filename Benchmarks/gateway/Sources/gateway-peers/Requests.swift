import ArgumentParser
import NIOCore
import NIOHTTP1
import NIOPosix

/// Clients of short exchanges: sends bodies, checks the answers, and measures the time of each.
struct Requests: AsyncParsableCommand {
    @Option var port: Int
    /// The number of requests.
    @Option var requests: Int
    /// Connections, each with one request at a time.
    @Option var workers = 16
    /// The size of each body in bytes.
    @Option var size = 200

    func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let body = ByteBuffer(repeating: UInt8(ascii: "x"), count: size)
        let left = NIOLoopBoundBox.makeBoxSendingValue(requests, eventLoop: loop)
        let runs = (0..<workers).map { _ in run(on: loop, left, body) }
        var times = Times()
        for run in runs { times.add(try await run.get()) }
        report(#"{"answered": \#(times.count), \#(times.json)}"#)
        waitForScript()
        try await group.shutdownGracefully()
    }

    /// Opens a connection and sends requests on it until none is left; returns the times of those
    /// that were answered well.
    private func run(
        on loop: any EventLoop, _ left: NIOLoopBoundBox<Int>, _ body: ByteBuffer
    ) -> EventLoopFuture<Times> {
        let result = loop.makePromise(of: Times.self)
        ClientBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(
                        RequestSender(left, body, result))
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .whenFailure { result.fail($0) }
        return result.futureResult
    }
}
