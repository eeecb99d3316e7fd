import ApusCore
import ApusHTTP2
import ApusSocket
import ApusWire
import HTTPTypes

// The peer's bytes, and what each event of the session means for its exchange and the pool.

extension HTTP2LiveConnection {
    func readInput(evenIfQuiet: Bool = false) {
        var reads = 0
        var isForced = evenIfQuiet
        while wire.mayHaveInput || isForced, wire.isOpen {
            isForced = false
            guard reads < HTTP2LiveConnection.maxReadsInRow else {
                return wire.readLater()
            }
            reads += 1
            do throws(WireError) {
                let outcome = try wire.read { bytesReceived($0) }
                if let inputError { return sessionFailed(inputError) }
                switch outcome {
                case .progress: handleEvents()
                case .wouldBlock:
                    if let error = wire.sendError {
                        end(.transportError, error.explained.kind, error.explained.message)
                    }
                    return
                case .end:
                    return inputEnded(.peerClosed, .truncated, "the peer ended the connection")
                }
            } catch {
                let (kind, message) = error.explained
                return inputEnded(
                    kind == .truncated ? .peerClosed : .transportError, kind, message)
            }
        }
    }

    /// No more will be read.
    ///
    /// What came in the same read counts first: a GOAWAY is why the connection ends, and its pool
    /// hears of it while it still knows the connection.
    private func inputEnded(
        _ reason: CloseReason, _ kind: TransportError.Kind, _ message: String
    ) {
        handleEvents()
        end(session.isGoAwayReceived ? .goAway : reason, kind, message)
    }

    private func bytesReceived(_ bytes: RawSpan) {
        let now = Deadline.now()
        liveness.bytesReceived(now: now)
        session.timePassed(now: now)
        do throws(HTTP2Error) {
            try session.bytesReceived(bytes)
        } catch {
            inputError = error
        }
    }

    func handleEvents() {
        while let sent = session.nextSentBody() { bodySent(sent) }
        // Before anybody hears of an answer that came with a GOAWAY and sends the next request.
        if session.isGoAwayReceived { drain(.goAway) }
        judgeCancels()
        while let event = session.nextEvent() { handle(event) }
        // A full socket says itself when it takes more.
        if session.wantsOutput, wire.isWritable { scheduleFlush() }
        if let drainReason, streams.isEmpty, wire.isOpen {
            end(drainReason, .shutdown, "the connection was drained")
        }
    }

    func handle(_ event: HTTP2Event) {
        switch event {
        case .informational(let id, let response):
            streams[id]?.exchange.informationalReceived(response)
        case .head(let id, let response, _):
            guard let exchange = streams[id]?.exchange else { return }
            refusalsInRow = 0
            if exchange.request.isExtendedConnect, duplexOpened(response, on: id) { return }
            exchange.headReceived(response)
            exchange.wake()
        case .body(let id, let bytes):
            guard let stream = streams[id] else { return }
            if let duplex = stream.duplex { return duplex.received(bytes) }
            _ = stream.exchange.bodyReceived(bytes)
            stream.exchange.wake()
        case .end(let id, let trailers):
            responseEnded(on: id, trailers)
        case .failed(let id, let failure):
            guard let stream = streams[id] else { return }
            judge(failure, of: stream)
            // The slot is free before the exchange hears of its end and wants another.
            if !session.isOpen(id) { streamClosed(id) }
            if let duplex = stream.duplex {
                let (kind, message) = explain(failure)
                duplex.failed(kind, message)
            } else {
                fail(stream.exchange, failure)
            }
        case .closed(let id): streamClosed(id)
        case .requestSent(let id): requestSent(on: id)
        case .bodyDrained(let id): bodyDrained(on: id)
        case .goAway(let last, let code, let debug):
            goAwayReceived(GoAway(last: last, code: code, debug: debug))
        case .settingsChanged(let maxStreams): settingsChanged(maxStreams)
        // Any byte is a sign of life, and it was counted as one when it came.
        case .pingAcknowledged: break
        }
    }

    private func responseEnded(on id: HTTP2StreamID, _ trailers: HTTPFields?) {
        guard let stream = streams[id] else { return }
        if let duplex = stream.duplex { return duplexEnded(duplex, on: id) }
        stream.exchange.timers.stop(on: loop)
        if !hasSessions {
            // The tickets came after the handshake, thus before the first response.
            hasSessions = true
            wire.keepSessions()
        }
        // The slot is free before the caller hears of the end: its next request finds it.
        let isClosed = !session.isOpen(id)
        if isClosed { streamClosed(id) }
        stream.exchange.responseEnded(trailers: trailers)
        stream.exchange.wake()
        guard !isClosed else { return }
        // An answer that came before the upload was done ends the upload.
        stream.pump?.stop()
        streams[id]?.pump = nil
        if session.hasSentEnd(id) { return }
        guard session.canFinish(id) else { return reset(id, code: HTTP2ErrorCode.noError) }
        // A short rest leaves faster than a reset would, and some servers count resets as abuse.
        finishing.insert(id)
        scheduleFlush()
    }

    /// What was to leave at once and did not, because others have used the window up, is given up.
    func giveUpUnfinished() {
        guard wire.isOpen, wire.isWritable else { return }
        for id in finishing where !session.hasSentEnd(id) {
            reset(id, code: HTTP2ErrorCode.noError)
        }
        finishing = []
    }

    /// Out of the pool before the streams that it ends hear of it, so that none comes back here.
    private func goAwayReceived(_ goAway: GoAway) {
        self.goAway = goAway
        drain(.goAway)
    }

    /// A refusal, or a wish for HTTP/1.1, may mean the connection and not this stream alone.
    private func judge(_ failure: StreamFailure, of stream: Stream) {
        switch failure {
        case .refused where stream.isWithinLimit:
            refusalsInRow += 1
            if refusalsInRow >= HTTP2LiveConnection.maxRefusalsInRow { drain(.goAway) }
        case .reset(code: HTTP2ErrorCode.http11Required): drain(.goAway)
        default: break
        }
        // Not closed: those that it still answers go on.
        if session.isLosingStreams { drain(.goAway) }
    }

    func streamClosed(_ id: HTTP2StreamID) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        stream.pump?.stop()
        stream.exchange.timers.stop(on: loop)
        if streams.isEmpty { liveness.streamsClosed() }
        keeper.released(self)
    }
}
