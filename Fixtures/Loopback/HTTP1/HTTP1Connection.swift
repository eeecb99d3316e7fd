#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Serves HTTP/1.x on one connection: blocking, one request after the other.
struct HTTP1Connection {
    enum Outcome {
        /// The next request may follow.
        case keep
        /// Close correctly.
        case close
        /// Close without close_notify in TLS.
        case closeWithoutNotify
        /// Read the peer's bytes for a while, then close.
        case linger
        /// Close with a reset.
        case reset
        /// The peer has closed.
        case lost
    }

    /// Pieces of a body pass through memory of this size.
    static let pieceSize = 32 * 1024
    private static let headLimit = 256 * 1024

    let channel: Channel
    let record: ConnectionRecord
    let options: LoopbackServer.Options

    /// Serves until the connection has ended.
    func serve() {
        while true {
            switch serveOne() {
            case .keep: continue
            case .close: channel.sendCloseNotify()
            case .closeWithoutNotify, .lost: break
            case .linger: Socket.lingeringClose(channel.descriptor)
            case .reset: Socket.resetOnClose(channel.descriptor)
            }
            return
        }
    }

    private func serveOne() -> Outcome {
        guard let length = receiveHead() else {
            channel.sendCloseNotify()
            return .lost
        }
        guard length > 0 else { return refuse(431) }
        let bytes = UnsafeRawBufferPointer(rebasing: channel.input.readable[..<length])
        guard let head = RequestHead(bytes) else { return refuse(400) }
        let number = record.requestBegan()
        defer { record.requestEnded() }
        let channel = channel
        let context = Routes.Context(
            connection: record.id, request: number,
            receivedHead: { Array(channel.input.readable[..<length]) }, tls: channel.tls)
        var reply = Routes.reply(to: head.route, context)
        channel.input.consume(length)
        if head.wantsClose || number == options.maxRequestsPerConnection {
            if case .keep = reply.ending { reply.ending = .close }
        }
        return answer(head, reply)
    }

    /// Waits for a complete head; its length, 0 when it is too long, `nil` when there is none.
    private func receiveHead() -> Int? {
        while true {
            if let length = RequestHead.length(in: channel.input.readable) { return length }
            guard channel.input.count < HTTP1Connection.headLimit else { return 0 }
            // Pipelined requests are answered together.
            guard channel.flush() else { return nil }
            record.isIdle = channel.input.isEmpty
            let fill = channel.fill(waiting: true)
            record.isIdle = false
            guard fill == .bytes else { return nil }
        }
    }

    private func refuse(_ status: Int) -> Outcome {
        var writer = HTTP1Writer(channel: channel, options: options)
        var reply = Reply("\(status)\n", status: status)
        reply.ending = .close
        writer.appendHead(reply, isHTTP10: false, length: 4)
        channel.output.append("\(status)\n")
        return channel.flush() ? .linger : .lost
    }

    // MARK: One exchange

    private func answer(_ head: RequestHead, _ initial: Reply) -> Outcome {
        var reply = initial
        var content = HTTP1Content(
            channel: channel, framing: head.framing,
            owesContinue: head.expectsContinue && reply.sendsContinue)
        switch reply.contentUse {
        case .discarded:
            guard content.discard() != nil else { return .lost }
        case .counted:
            guard let count = content.discard() else { return .lost }
            reply.fields = [("content-type", "text/plain")]
            reply.body = BodySource(.bytes(Array("\(count)\n".utf8)))
        case .echoed, .ignored: break
        }
        if reply.delay > 0 {
            guard channel.flush(), sleep(until: Monotonic.now() + reply.delay) else { return .lost }
        }
        if reply.isSilent { return staySilent(reply) }
        var writer = HTTP1Writer(channel: channel, options: options)
        if !head.isHTTP10 { writer.appendInformational(reply.informational) }
        let outcome = writer.send(reply, to: head, &content)
        guard outcome == .keep else { return outcome }
        return finish(reply, &content)
    }

    private func staySilent(_ reply: Reply) -> Outcome {
        guard channel.flush() else { return .lost }
        if case .reset = reply.ending { return .reset }
        _ = Socket.sleep(channel.descriptor, until: nil)
        return .lost
    }

    /// What follows a complete answer.
    private func finish(_ reply: Reply, _ content: inout HTTP1Content) -> Outcome {
        switch reply.ending {
        case .keep:
            // The connection can be used again only after the request's content.
            if content.isFinished { return .keep }
            guard channel.flush(), content.discard() != nil else { return .lost }
            return .keep
        case .close:
            guard channel.flush() else { return .lost }
            if !reply.sendsCloseNotify { return .closeWithoutNotify }
            return content.isFinished && channel.input.isEmpty ? .close : .linger
        case .abandonContent:
            guard channel.flush() else { return .lost }
            return .linger
        case .reset:
            return channel.flush() ? .reset : .lost
        }
    }

    private func sleep(until deadline: Int64) -> Bool {
        Socket.sleep(channel.descriptor, until: deadline)
    }
}

/// The content of one HTTP/1 request, read as far as a route needs it.
struct HTTP1Content {
    private let channel: Channel
    private var decoder: RequestBodyDecoder
    /// The peer waits for 100 Continue.
    private var owesContinue: Bool

    init(channel: Channel, framing: RequestHead.Framing, owesContinue: Bool) {
        self.channel = channel
        self.owesContinue = owesContinue && framing != .none
        decoder = RequestBodyDecoder(framing)
    }

    var isFinished: Bool { decoder.isFinished }

    /// Reads to the end and counts; `nil` when there is none.
    mutating func discard() -> Int? {
        var count = 0
        while true {
            switch next({ count += $0.count }) {
            case true?: continue
            case false?: return count
            case nil: return nil
            }
        }
    }

    /// Passes the next piece to `body`, waiting for it; `false` at the end, `nil` when the peer has
    /// closed.
    mutating func next(_ body: (UnsafeRawBufferPointer) -> Void) -> Bool? {
        while true {
            let bytes = channel.input.readable
            switch decoder.next(in: bytes) {
            case .progress(let consumed, let content):
                if !content.isEmpty { body(UnsafeRawBufferPointer(rebasing: bytes[content])) }
                channel.input.consume(consumed)
                if !content.isEmpty { return true }
            case .finished: return false
            case .malformed: return nil
            case .needsMore:
                if owesContinue {
                    owesContinue = false
                    channel.output.append("HTTP/1.1 100 Continue\r\n\r\n" as StaticString)
                }
                guard channel.flush(), channel.fill(waiting: true) == .bytes else { return nil }
            }
        }
    }
}
