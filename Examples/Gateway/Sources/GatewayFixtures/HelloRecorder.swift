import NIOCore
import NIOPosix
import Synchronization

/// A listener that keeps the first message of each TLS handshake, and ends the connection.
package final class HelloRecorder: Sendable {
    package let port: Int
    private let accepting: Task<Void, any Error>
    private let received: Hellos

    package init() async throws {
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel)
                }
            }
        let received = Hellos()
        self.received = received
        port = listener.channel.localAddress?.port ?? 0
        accepting = Task {
            try await listener.executeThenClose { connections in
                for try await connection in connections {
                    try? await connection.executeThenClose { inbound, _ in
                        var bytes: [UInt8] = []
                        for try await piece in inbound {
                            bytes += piece.readableBytesView
                            if let hello = ClientHello(bytes) {
                                received.all.withLock { $0.append(hello) }
                                break
                            }
                        }
                    }
                }
            }
        }
    }

    deinit {
        accepting.cancel()
    }

    package var url: String { "https://127.0.0.1:\(port)" }
    package var hellos: [ClientHello] { received.all.withLock { $0 } }

    private final class Hellos: Sendable {
        let all = Mutex<[ClientHello]>([])
    }
}

/// The first message of a TLS handshake (RFC 8446, section 4.1.2).
package struct ClientHello: Sendable {
    /// The data of each extension, by its type.
    package let extensions: [Int: [UInt8]]

    /// The type of ALPN's extension (RFC 7301).
    package static let alpn = 16

    /// Reads a record that holds a whole message; `nil` when bytes are missing.
    init?(_ record: [UInt8]) {
        var bytes = record[...]
        func number(_ count: Int) -> Int? {
            guard bytes.count >= count else { return nil }
            defer { bytes = bytes.dropFirst(count) }
            return bytes.prefix(count).reduce(0) { $0 << 8 | Int($1) }
        }
        func skip(_ count: Int?) -> Bool {
            guard let count, bytes.count >= count else { return false }
            bytes = bytes.dropFirst(count)
            return true
        }
        // Record and message heads, version and random; session, cipher suites, compressions.
        guard skip(5 + 4 + 2 + 32), skip(number(1)), skip(number(2)), skip(number(1)),
            let total = number(2), bytes.count >= total
        else { return nil }
        var extensions: [Int: [UInt8]] = [:]
        while let type = number(2), let length = number(2), bytes.count >= length {
            extensions[type] = Array(bytes.prefix(length))
            bytes = bytes.dropFirst(length)
        }
        self.extensions = extensions
    }
}
