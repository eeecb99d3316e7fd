import ApusCore
import ApusHTTP1
import ApusHTTP2
import ApusWire

// Request bodies on their way into the session: by reference when they are in memory, else a
// bounded number of bytes ahead of what has left. What counts as sent is what was framed.

extension HTTP2LiveConnection {
    func sendBody(of exchange: Exchange, on stream: HTTP2StreamID) {
        guard exchange.request.holdsBody, !exchange.request.body.isEmpty else {
            return exchange.requestSent()
        }
        let body = exchange.request.content
        switch body.content {
        case .segments(let segments):
            let hasTrailers = body.trailers != nil
            for (index, segment) in segments.enumerated() {
                let isLast = index == segments.count - 1
                session.send(segment, endOfBody: isLast && !hasTrailers, on: stream)
            }
            if segments.isEmpty { sendTrailers(on: stream) }
        // Nothing is asked of a producer whose request may wait, or never leave: `requestSent`.
        case .stream, .file: break
        }
    }

    /// The request's HEADERS are out: its producer may start.
    func requestSent(on id: HTTP2StreamID) {
        guard let exchange = streams[id]?.exchange, streams[id]?.pump == nil, !exchange.hasEnded
        else { return }
        guard !exchange.request.body.isEmpty, let pump = exchange.pump else { return }
        exchange.bodyStarted()
        streams[id]?.pump = pump
        pump.start { [weak self, weak exchange] in
            guard let self, let exchange else { return }
            self.uploadReady(exchange)
        }
    }

    /// Moves what a producer made into the session, a bounded number of bytes ahead.
    func pumpBody(of id: HTTP2StreamID) {
        guard let stream = streams[id], let pump = stream.pump, wire.isOpen else { return }
        let request = stream.exchange.request
        var pumped = stream.pumped
        while session.queuedBytes(on: id) < request.limits.uploadBufferBytes {
            switch pump.next() {
            case .later: return scheduleFlush()
            case .bytes(let bytes):
                pumped += UInt64(bytes.count)
                streams[id]?.pumped = pumped
                if let length = request.body.length, pumped > length {
                    return failUpload(of: id, "has more bytes than its declared length")
                }
                // The last declared byte ends the stream: the answer may come before the producer
                // says that it is done.
                session.send(bytes, endOfBody: pumped == request.body.length, on: id)
            case .end:
                streams[id]?.pump = nil
                if let length = request.body.length {
                    guard pumped >= length else {
                        let owed = length - pumped
                        return failUpload(of: id, "ended \(owed) bytes before its declared length")
                    }
                } else if request.content.trailers == nil {
                    session.send(.empty, endOfBody: true, on: id)
                    if session.queuedBytes(on: id) == 0 { stream.exchange.requestSent() }
                } else if session.queuedBytes(on: id) == 0 {
                    sendTrailers(on: id)
                }
                return scheduleFlush()
            case .failed(let error):
                stream.exchange.producerFailed(error)
                return failUpload(of: id, .producerFailed, UploadPump.explain(error))
            }
        }
        scheduleFlush()
    }

    /// Everything handed over for a body that is not finished has left.
    func bodyDrained(on id: HTTP2StreamID) {
        guard let stream = streams[id] else { return }
        if stream.pump != nil {
            pumpBody(of: id)
        } else {
            sendTrailers(on: id)
        }
    }

    /// Counts what was framed of a body.
    func bodySent(_ sent: HTTP2Session.SentBody) {
        guard let stream = streams[sent.stream] else { return }
        if let duplex = stream.duplex { return duplex.sent(sent.count) }
        stream.exchange.bodySent(sent.count)
        let isWhole = stream.exchange.bytesOwed.map { $0 == 0 } ?? (stream.pump == nil)
        guard isWhole, session.queuedBytes(on: sent.stream) == 0 else { return }
        // Trailers are still to come: `sendTrailers`.
        if stream.exchange.request.content.trailers == nil { stream.exchange.requestSent() }
    }

    /// Ends a body whose last byte has left with its trailers.
    private func sendTrailers(on id: HTTP2StreamID) {
        guard let exchange = streams[id]?.exchange, let make = exchange.request.content.trailers
        else { return }
        let trailers = make()
        do throws(InvalidRequest) {
            try RequestValidator.check(trailers: trailers)
        } catch {
            exchange.failed(.invalidRequest(error), error.description)
            return reset(id)
        }
        do throws(HTTP2Error) {
            try session.finish(trailers: trailers, on: id)
        } catch {
            exchange.failed(TransportError.Kind(error), error.message)
            return reset(id)
        }
        exchange.requestSent()
        scheduleFlush()
    }

    private func failUpload(of id: HTTP2StreamID, _ message: String) {
        let invalid = InvalidRequest(field: "body", reason: message)
        failUpload(of: id, .invalidRequest(invalid), invalid.description)
    }

    private func failUpload(
        of id: HTTP2StreamID, _ kind: TransportError.Kind, _ message: String
    ) {
        streams[id]?.exchange.failed(kind, message)
        // The producer may have more to say, which is of no use now.
        streams[id]?.pump?.stop()
        streams[id]?.pump = nil
        reset(id)
    }
}
