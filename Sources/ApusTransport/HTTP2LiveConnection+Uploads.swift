import ApusCore
import ApusHTTP2

// Request bodies on their way into the session: by reference when they are in memory, else a
// bounded number of bytes ahead of what has left.

extension HTTP2LiveConnection {
    func sendBody(of exchange: Exchange, on stream: HTTP2StreamID) {
        let body = exchange.request.body
        guard !body.isEmpty else { return exchange.timings.sent() }
        switch body.content {
        case .segments(let segments):
            for (index, segment) in segments.enumerated() {
                session.send(segment, endOfBody: index == segments.count - 1, on: stream)
            }
        case .stream, .file:
            let pump = UploadPump(maxBuffered: exchange.request.limits.uploadBufferBytes)
            streams[stream]?.pump = pump
            pump.start(body.content) { [weak self, weak exchange] in
                guard let self, let exchange else { return }
                self.uploadReady(exchange)
            }
        }
    }

    /// Moves what a producer made into the session, a bounded number of bytes ahead.
    func pumpBody(of id: HTTP2StreamID) {
        guard let stream = streams[id], let pump = stream.pump, wire.isOpen else { return }
        let limits = stream.exchange.request.limits
        while session.queuedBytes(on: id) < limits.uploadBufferBytes {
            switch pump.next() {
            case .later: return scheduleFlush()
            case .bytes(let bytes):
                stream.exchange.bodySent(bytes.count)
                let owed = stream.exchange.bytesOwed
                if let owed, owed < 0 {
                    return failUpload(of: id, "has more bytes than its declared length")
                }
                // The last declared byte ends the stream: the answer may come before the producer
                // says that it is done.
                session.send(bytes, endOfBody: owed == 0, on: id)
                if owed == 0 { stream.exchange.timings.sent() }
            case .end:
                streams[id]?.pump = nil
                switch stream.exchange.bytesOwed {
                case nil:
                    session.send(.empty, endOfBody: true, on: id)
                    stream.exchange.timings.sent()
                case 0: break
                case let owed?:
                    return failUpload(of: id, "ended \(owed) bytes before its declared length")
                }
                return scheduleFlush()
            case .failed(let message):
                return failUpload(of: id, message)
            }
        }
        scheduleFlush()
    }

    private func failUpload(of id: HTTP2StreamID, _ message: String) {
        let invalid = InvalidRequest(field: "body", reason: message)
        streams[id]?.exchange.failed(.invalidRequest(invalid), invalid.description)
        reset(id)
    }

    func bodyDrained(on id: HTTP2StreamID) {
        guard let stream = streams[id] else { return }
        guard stream.pump == nil else { return pumpBody(of: id) }
        if case .segments = stream.exchange.request.body.content {
            stream.exchange.bodySent(Int(stream.exchange.request.body.length ?? 0))
            stream.exchange.timings.sent()
        }
    }
}
