import NIOCore
import NIOPosix
import Synchronization

/// A SOCKS5 proxy on loopback without authentication (RFC 1928), which leads to 127.0.0.1 only.
package final class SOCKSProxy: Sendable {
    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    package let port: Int
    private let accepting: Task<Void, any Error>
    private let opened: Counter

    /// How many tunnels were opened.
    package var tunnels: Int { opened.value.withLock { $0 } }

    package init() async throws {
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .bind(host: "127.0.0.1", port: 0) { Self.wrap($0) }
        let opened = Counter()
        self.opened = opened
        port = listener.channel.localAddress?.port ?? 0
        accepting = Task {
            try await withThrowingDiscardingTaskGroup { group in
                try await listener.executeThenClose { connections in
                    for try await connection in connections {
                        group.addTask { try? await Self.serve(connection, opened) }
                    }
                }
            }
        }
    }

    deinit {
        accepting.cancel()
    }

    package var url: String { "socks5h://127.0.0.1:\(port)" }

    /// Closes the proxy and its tunnels.
    package func stop() async {
        accepting.cancel()
        _ = await accepting.result
    }

    private final class Counter: Sendable {
        let value = Mutex(0)
    }

    private static func wrap(_ channel: any Channel) -> EventLoopFuture<Connection> {
        channel.eventLoop.makeCompletedFuture {
            try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(isOutboundHalfClosureEnabled: true))
        }
    }

    private static func serve(_ client: Connection, _ opened: Counter) async throws {
        try await client.executeThenClose { inbound, outbound in
            var bytes = inbound.makeAsyncIterator()
            var buffer = ByteBuffer()
            // A greeting of version 5 with its methods; the answer chooses no authentication.
            try await fill(&buffer, 2, from: &bytes)
            let methods = Int(buffer.readBytes(length: 2)?[1] ?? 0)
            try await fill(&buffer, methods, from: &bytes)
            buffer.moveReaderIndex(forwardBy: methods)
            try await outbound.write(ByteBuffer(bytes: [5, 0]))
            let port = try await readTarget(&buffer, &bytes)
            let origin = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .connect(host: "127.0.0.1", port: port) { wrap($0) }
            opened.value.withLock { $0 += 1 }
            try await relay(buffer, &bytes, outbound, origin)
        }
    }

    /// Reads a request to connect, and returns its port.
    private static func readTarget(
        _ buffer: inout ByteBuffer,
        _ bytes: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    ) async throws -> Int {
        try await fill(&buffer, 5, from: &bytes)
        let head = buffer.readBytes(length: 5) ?? []
        // An IPv4 address, or a name with its length before it; one byte of each is read already.
        let rest = head[3] == 1 ? 3 : Int(head[4])
        try await fill(&buffer, rest + 2, from: &bytes)
        buffer.moveReaderIndex(forwardBy: rest)
        return Int(buffer.readInteger(as: UInt16.self) ?? 0)
    }

    private static func fill(
        _ buffer: inout ByteBuffer, _ count: Int,
        from bytes: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    ) async throws {
        while buffer.readableBytes < count {
            guard var piece = try await bytes.next(isolation: #isolation) else {
                throw ChannelError.eof
            }
            buffer.writeBuffer(&piece)
        }
    }

    /// Reports the tunnel as open, and passes bytes in both directions until both sides have
    /// ended, or one has failed.
    ///
    /// The report is sent inside `executeThenClose`: SwiftNIO ends the process when a connection
    /// is dropped that never was executed, and the client can have gone by now.
    private static func relay(
        _ first: ByteBuffer,
        _ bytes: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        _ client: NIOAsyncChannelOutboundWriter<ByteBuffer>, _ origin: Connection
    ) async throws {
        try await origin.executeThenClose { answers, requests in
            try await client.write(ByteBuffer(bytes: [5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
            async let back: Void = {
                defer { client.finish() }
                for try await piece in answers { try await client.write(piece) }
            }()
            if first.readableBytes > 0 { try await requests.write(first) }
            while let piece = try await bytes.next(isolation: #isolation) {
                try await requests.write(piece)
            }
            requests.finish()
            try await back
        }
    }
}
