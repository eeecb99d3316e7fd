import NIOCore
import NIOPosix

/// A proxy that opens tunnels to ports of 127.0.0.1 for clients with a login.
///
/// It does not stop reading when a tunnel's other end is slow: it is for short exchanges.
final class ConnectProxy: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let maxHeadBytes = 8192

    private enum State {
        /// The head is incomplete. Exits: `dialling`, or the connection is closed.
        case head
        /// The origin's port is being connected to. Exits: `open`, or the connection is closed.
        case dialling
        /// Bytes are passed on to the other end.
        case open(any Channel)
    }

    /// The logins that have opened a tunnel at any of the proxies.
    private let logins: NIOLoopBoundBox<Set<String>>
    private var state = State.head
    /// What has come before the tunnel was open.
    private var early = ByteBuffer()

    init(_ logins: NIOLoopBoundBox<Set<String>>) {
        self.logins = logins
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        switch state {
        case .open(let origin):
            origin.writeAndFlush(bytes, promise: nil)
        case .dialling:
            early.writeBuffer(&bytes)
        case .head:
            early.writeBuffer(&bytes)
            readHead(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        if case .open(let origin) = state { origin.close(promise: nil) }
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func readHead(_ context: ChannelHandlerContext) {
        let text = String(decoding: early.readableBytesView, as: UTF8.self)
        guard let end = text.firstRange(of: "\r\n\r\n") else {
            if early.readableBytes > Self.maxHeadBytes { context.close(promise: nil) }
            return
        }
        let head = text[..<end.lowerBound]
        early.moveReaderIndex(forwardBy: head.utf8.count + 4)
        guard let login = login(in: head), let port = port(of: head) else {
            return refuse(context)
        }
        logins.value.insert(String(login))
        state = .dialling
        dial(context, port)
    }

    /// The value of the `Proxy-Authorization` field.
    private func login(in head: Substring) -> Substring? {
        for line in head.split(separator: "\r\n") {
            let parts = line.split(separator: ": ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "proxy-authorization" { return parts[1] }
        }
        return nil
    }

    /// The port of a CONNECT to this machine.
    private func port(of head: Substring) -> Int? {
        let parts = head.prefix { $0 != "\r\n" }.split(separator: " ")
        guard parts.count == 3, parts[0] == "CONNECT" else { return nil }
        let target = parts[1].split(separator: ":")
        guard target.count == 2, ["localhost", "127.0.0.1"].contains(target[0]) else { return nil }
        return Int(target[1])
    }

    private func refuse(_ context: ChannelHandlerContext) {
        write(context, "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
    }

    private func write(_ context: ChannelHandlerContext, _ text: String) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }

    private func dial(_ context: ChannelHandlerContext, _ port: Int) {
        let client = context.channel
        let dialled = ClientBootstrap(group: context.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(TunnelEnd(client))
                }
            }
            .connect(host: "127.0.0.1", port: port)
        dialled.assumeIsolated().whenComplete { result in
            guard case .success(let origin) = result else {
                context.close(promise: nil)
                return
            }
            self.state = .open(origin)
            self.write(context, "HTTP/1.1 200 OK\r\n\r\n")
            if self.early.readableBytes > 0 { origin.writeAndFlush(self.early, promise: nil) }
            self.early = ByteBuffer()
        }
    }
}

/// The origin's end of a tunnel: passes its bytes on to the client.
private final class TunnelEnd: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let client: any Channel

    init(_ client: any Channel) {
        self.client = client
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        client.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        client.close(promise: nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
