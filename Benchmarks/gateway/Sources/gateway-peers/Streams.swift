import ArgumentParser
import NIOCore
import NIOPosix

/// Clients of event streams: opens them at a rate, then counts events in a window.
///
/// It prints a line of JSON when all streams have had their first event, one at the window's begin
/// and one at its end, and keeps the streams open until the script has looked.
struct Streams: AsyncParsableCommand {
    @Option var port: Int
    @Option var path: String
    @Option var streams: Int
    /// Streams opened in a second.
    @Option var ramp = 500
    /// The length of the window.
    @Option var seconds = 5.0
    /// The bytes that a stream's reader takes in a second; 0 reads everything at once.
    @Option var slow = 0

    /// After this time it goes on with the streams that have had an event.
    private static let maxOpening = TimeAmount.seconds(60)
    private static let settling = Duration.seconds(1)

    func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let tally = StreamTally(of: streams, on: group.next())
        for number in 0..<streams {
            let delay = TimeAmount.nanoseconds(Int64(number) * 1_000_000_000 / Int64(ramp))
            open(tally, after: delay)
        }
        try await tally.wait(atMost: Self.maxOpening)
        let opened = try await tally.counts()
        report(#"{"open": \#(opened.first.count), \#(opened.first.json)}"#)
        try await Task.sleep(for: Self.settling)
        let begin = try await tally.counts()
        report(#"{"window": "begin"}"#)
        try await Task.sleep(for: .seconds(seconds))
        let end = try await tally.counts()
        report(
            """
            {"events": \(end.events - begin.events), "bytes": \(end.bytes - begin.bytes), \
            "failed": \(end.failures)}
            """)
        waitForScript()
        try await group.shutdownGracefully()
    }

    private func open(_ tally: StreamTally, after delay: TimeAmount) {
        let request = ByteBuffer(
            string: """
                POST \(path) HTTP/1.1\r\nhost: 127.0.0.1:\(port)\r\nauthorization: Bearer inbound\r
                content-type: application/json\r\ncontent-length: 16\r\n\r\n{"stream": true}
                """)
        let slow = slow
        let port = port
        let size = slow == 0 ? 16_384 : slow / StreamReader.readsPerSecond
        let reads: UInt = slow == 0 ? 4 : 1
        let buffers = FixedSizeRecvByteBufferAllocator(capacity: size)
        tally.loop.scheduleTask(in: delay) {
            ClientBootstrap(group: tally.loop)
                .channelOption(.autoRead, value: slow == 0)
                .channelOption(.recvAllocator, value: buffers)
                .channelOption(.maxMessagesPerRead, value: reads)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            StreamReader(tally, request, bytesPerSecond: slow))
                    }
                }
                .connect(host: "127.0.0.1", port: port)
                .whenFailure { _ in tally.failed() }
        }
    }
}
