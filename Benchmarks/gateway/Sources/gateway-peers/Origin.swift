import NIOCore
import NIOHTTP1

/// The origin, over HTTP/1.1 in the clear.
///
/// | path | answer |
/// |---|---|
/// | `/events/MS/SIZE` | an event of SIZE bytes at once, and one more every MS milliseconds |
/// | `/flood/SIZE` | events of SIZE bytes, as fast as they are read |
/// | any other | the number of bytes of the request's body |
///
/// Streams end with their connection. An event holds one byte `!`, by which clients count.
final class Origin: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private var path = ""
    private var received = 0
    private var event = ByteBuffer()
    /// Whether events are written for as long as the peer reads.
    private var isFlooding = false
    private var timer: Scheduled<Void>?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            path = head.uri
            received = 0
        case .body(let piece):
            received += piece.readableBytes
        case .end:
            answer(context)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if isFlooding { flood(context) }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        isFlooding = false
        context.fireChannelInactive()
    }

    /// A peer that resets its connection is one that has read enough.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func answer(_ context: ChannelHandlerContext) {
        let parts = path.split(separator: "/")
        switch (parts.first, parts.dropFirst().compactMap { Int($0) }) {
        case ("events", let numbers) where numbers.count == 2:
            begin(context, size: numbers[1])
            pace(context, every: .milliseconds(Int64(numbers[0])))
        case ("flood", let numbers) where numbers.count == 1:
            begin(context, size: numbers[0])
            isFlooding = true
            flood(context)
        default:
            let text = "\(received)\n"
            let fields: HTTPHeaders = ["content-length": "\(text.utf8.count)"]
            context.write(wrapOutboundOut(head(fields)), promise: nil)
            context.write(
                wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    private func head(_ fields: HTTPHeaders) -> HTTPServerResponsePart {
        .head(HTTPResponseHead(version: .http1_1, status: .ok, headers: fields))
    }

    private func begin(_ context: ChannelHandlerContext, size: Int) {
        let padding = String(repeating: "e", count: max(0, size - "data: !\n\n".utf8.count))
        event = ByteBuffer(string: "data: !\(padding)\n\n")
        context.write(
            wrapOutboundOut(head(["content-type": "text/event-stream"])), promise: nil)
    }

    /// Writes an event now and one in each interval.
    private func pace(_ context: ChannelHandlerContext, every interval: TimeAmount) {
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(event))), promise: nil)
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: interval) {
            self.pace(context, every: interval)
        }
    }

    private func flood(_ context: ChannelHandlerContext) {
        while isFlooding, context.channel.isWritable {
            context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(event))), promise: nil)
        }
    }
}
