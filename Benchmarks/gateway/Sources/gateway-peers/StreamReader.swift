import NIOCore

/// The client's end of one stream: sends the request and counts events.
final class StreamReader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Reads of a slow reader in a second.
    static let readsPerSecond = 10
    private static let statusLine = "HTTP/1.1 200 "

    private let tally: StreamTally
    private let request: ByteBuffer
    private let bytesPerSecond: Int
    private var start = NIODeadline.now()
    private var hasStatus = false
    private var hasEvent = false

    init(_ tally: StreamTally, _ request: ByteBuffer, bytesPerSecond: Int) {
        self.tally = tally
        self.request = request
        self.bytesPerSecond = bytesPerSecond
    }

    func channelActive(context: ChannelHandlerContext) {
        start = .now()
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
        if bytesPerSecond > 0 { readSlowly(context) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        if !hasStatus {
            hasStatus = true
            guard bytes.readableBytesView.starts(with: Self.statusLine.utf8) else {
                context.close(promise: nil)
                return
            }
        }
        let events = bytes.readableBytesView.count { $0 == UInt8(ascii: "!") }
        tally.received(events: events, bytes: bytes.readableBytes)
        guard !hasEvent, events > 0 else { return }
        hasEvent = true
        tally.opened(since: start)
    }

    /// No stream ends before the load does.
    func channelInactive(context: ChannelHandlerContext) {
        tally.failed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func readSlowly(_ context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        context.read()
        let interval = TimeAmount.nanoseconds(1_000_000_000 / Int64(Self.readsPerSecond))
        context.eventLoop.assumeIsolated().scheduleTask(in: interval) {
            self.readSlowly(context)
        }
    }
}
