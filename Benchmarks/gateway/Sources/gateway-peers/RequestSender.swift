import NIOCore
import NIOHTTP1

/// One connection of `Requests`: sends a request, checks its answer, and sends the next.
final class RequestSender: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    /// The requests that no connection has sent yet.
    private let left: NIOLoopBoundBox<Int>
    private let body: ByteBuffer
    private let result: EventLoopPromise<Times>
    private var times = Times()
    private var start = NIODeadline.now()
    private var status = HTTPResponseStatus.ok
    private var answer = ""

    init(_ left: NIOLoopBoundBox<Int>, _ body: ByteBuffer, _ result: EventLoopPromise<Times>) {
        self.left = left
        self.body = body
        self.result = result
    }

    func channelActive(context: ChannelHandlerContext) {
        sendNext(context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            status = head.status
            answer = ""
        case .body(let piece):
            answer += String(decoding: piece.readableBytesView, as: UTF8.self)
        case .end:
            if status == .ok, answer == "\(body.readableBytes)\n" { times.add(since: start) }
            sendNext(context)
        }
    }

    /// What was answered until then counts; the rest is missing in the sum.
    func channelInactive(context: ChannelHandlerContext) {
        result.succeed(times)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func sendNext(_ context: ChannelHandlerContext) {
        guard left.value > 0 else {
            context.close(promise: nil)
            return
        }
        left.value -= 1
        start = .now()
        let head = HTTPRequestHead(
            version: .http1_1, method: .POST, uri: "/v1/messages",
            headers: [
                "host": "127.0.0.1", "authorization": "Bearer inbound",
                "content-type": "application/json", "content-length": "\(body.readableBytes)",
            ])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
