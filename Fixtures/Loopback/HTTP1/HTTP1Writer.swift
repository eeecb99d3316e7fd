#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Writes one HTTP/1 response: its head, and its body in the appropriate framing.
struct HTTP1Writer {
    let channel: Channel
    let options: LoopbackServer.Options

    mutating func appendInformational(_ count: Int) {
        for _ in 0..<count {
            channel.output.append("HTTP/1.1 103 Early Hints\r\n" as StaticString)
            append(Reply.informationalFields)
            channel.output.append("\r\n" as StaticString)
        }
    }

    /// Appends the head; `length` is what is announced, `nil` means chunked or until the end.
    mutating func appendHead(_ reply: Reply, isHTTP10: Bool, length: Int?) {
        let output = channel.output
        if reply.status == 200 {
            output.append("HTTP/1.1 200 OK\r\n" as StaticString)
        } else {
            output.append("HTTP/1.1 \(reply.status) \(Reply.reason(reply.status))\r\n")
        }
        append(reply.fields)
        if let length {
            output.append("content-length: " as StaticString)
            output.append(decimal: length)
            output.append("\r\n" as StaticString)
        } else if reply.body != nil && !reply.endsWithConnection && !isHTTP10 {
            output.append("transfer-encoding: chunked\r\n" as StaticString)
        }
        switch reply.ending {
        case .close, .abandonContent:
            output.append("connection: close\r\n" as StaticString)
        case .keep, .reset:
            if isHTTP10 { output.append("connection: keep-alive\r\n" as StaticString) }
            if let parameters = options.keepAliveHeader {
                output.append("keep-alive: \(parameters)\r\n")
            }
        }
        output.append("\r\n" as StaticString)
    }

    /// Sends head and body; anything but `.keep` ends the connection.
    mutating func send(
        _ reply: Reply, to head: RequestHead, _ content: inout HTTP1Content
    ) -> HTTP1Connection.Outcome {
        var reply = reply
        var length = reply.announcedLength ?? reply.body?.announcedLength
        if case .echoed = reply.contentUse {
            switch head.framing {
            case .none: length = 0
            case .length(let count): length = count
            case .chunked: length = nil
            }
        }
        if reply.body == nil && Reply.allowsContent(reply.status) { length = 0 }
        let endsWithConnection = reply.endsWithConnection || (head.isHTTP10 && length == nil)
        if endsWithConnection, reply.body != nil, case .keep = reply.ending {
            reply.ending = .close
        }
        appendHead(reply, isHTTP10: head.isHTTP10, length: length)
        guard var body = reply.body, head.method != "HEAD" else { return .keep }
        let isChunked = length == nil && !endsWithConnection
        if case .echoed = reply.contentUse { return echo(&content, isChunked: isChunked) }
        return send(&body, reply, isChunked: isChunked)
    }

    // MARK: Bodies

    private mutating func send(
        _ body: inout BodySource, _ reply: Reply, isChunked: Bool
    ) -> HTTP1Connection.Outcome {
        while true {
            switch append(&body, isChunked: isChunked) {
            case .bytes:
                guard channel.flushIfLarge() else { return .lost }
            case .last:
                if isChunked { appendChunkEnd(reply) }
                // The rest is sent with the following bytes, or before the next wait.
                guard channel.flushIfLarge() else { return .lost }
                if case .close = reply.ending, reply.endsWithConnection {
                    guard channel.flush() else { return .lost }
                }
                return .keep
            case .wait(let instant):
                guard channel.flush(), Socket.sleep(channel.descriptor, until: instant) else {
                    return .lost
                }
            case .starved, .silent:
                guard channel.flush() else { return .lost }
                _ = Socket.sleep(channel.descriptor, until: nil)
                return .lost
            case .broken:
                guard channel.flush() else { return .lost }
                if case .reset = reply.ending { return .reset }
                return reply.sendsCloseNotify ? .close : .closeWithoutNotify
            }
        }
    }

    /// Appends the next piece, as a chunk when asked.
    private mutating func append(_ body: inout BodySource, isChunked: Bool) -> BodySource.Step {
        let now = Monotonic.now()
        guard isChunked else {
            let room = channel.output.reserve(HTTP1Connection.pieceSize)
            let step = body.next(into: room, now: now)
            switch step {
            case .bytes(let count), .last(let count): channel.output.commit(count)
            default: break
            }
            return step
        }
        return withUnsafeTemporaryAllocation(
            byteCount: HTTP1Connection.pieceSize, alignment: 16
        ) { room in
            let step = body.next(into: room, now: now)
            switch step {
            case .bytes(let count), .last(let count):
                appendChunk(UnsafeRawBufferPointer(rebasing: room[..<count]))
            default: break
            }
            return step
        }
    }

    private mutating func echo(
        _ content: inout HTTP1Content, isChunked: Bool
    ) -> HTTP1Connection.Outcome {
        let channel = channel
        while true {
            let more = content.next { bytes in
                if isChunked {
                    appendChunk(bytes)
                } else {
                    channel.output.append(bytes)
                }
            }
            guard let more, channel.flushIfLarge() else { return .lost }
            guard more else { break }
        }
        if isChunked { channel.output.append("0\r\n\r\n" as StaticString) }
        return .keep
    }

    private func appendChunk(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        channel.output.append(String(bytes.count, radix: 16))
        channel.output.append("\r\n" as StaticString)
        channel.output.append(bytes)
        channel.output.append("\r\n" as StaticString)
    }

    private func appendChunkEnd(_ reply: Reply) {
        channel.output.append("0\r\n" as StaticString)
        append(reply.trailers)
        channel.output.append("\r\n" as StaticString)
    }

    private func append(_ fields: [Reply.Field]) {
        for field in fields {
            channel.output.append(field.name)
            channel.output.append(": " as StaticString)
            channel.output.append(field.value)
            channel.output.append("\r\n" as StaticString)
        }
    }
}
