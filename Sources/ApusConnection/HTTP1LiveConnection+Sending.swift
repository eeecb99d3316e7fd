import ApusCore
import ApusHTTP1
import ApusSocket
import ApusWire
import HTTPTypes

// How a request goes out: its head, then as much of its body as the socket takes, piece by piece.
extension HTTP1LiveConnection {
    func begin(_ exchange: Exchange, isReused: Bool) {
        readBeforeUse()
        if case .kept(let words, let hasEnded) = firstWords, wire.isOpen {
            return answer(exchange, by: words, hasEnded: hasEnded)
        }
        firstWords = .none
        guard wire.isOpen else {
            let (kind, message) =
                shortage ?? (.reset, "the connection had closed before the request left")
            return exchange.failed(kind, phase: .send, message, replay: .notSent)
        }
        precondition(self.exchange == nil, "two exchanges at once on an HTTP/1.1 connection")
        guard exchange.begin(on: self, isReused: isReused) else { return keeper.released(self) }
        self.exchange = exchange
        let request = exchange.request
        let framing = RequestFraming(of: request.body)
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        do throws(InvalidRequest) {
            let (head, plan) = request.http1Head(
                omitsExpectation: exchange.amendments.omitsExpectation)
            try RequestEncoder.appendHead(
                of: head, plan: plan,
                target: request.http1Target, framing: framing,
                connection: request.connectionOption,
                additional: request.proxyFields(exchange.amendments.proxyAuthorization),
                to: &scratch.plaintext)
        } catch {
            self.exchange = nil
            exchange.failed(.invalidRequest(error), phase: .request, "\(error)")
            return keeper.released(self)
        }
        machine.requestStarted(
            method: request.head.method, expectsClose: request.connectionOption == .close,
            upgrade: request.upgrade)
        exchange.requestStarted()
        isRefused = false
        answerBytes = 0
        sentBefore = wire.sentCount
        if request.hasTimeouts { startTimers(of: exchange) }
        if request.expectsContinue, !exchange.amendments.omitsExpectation {
            holdBody(of: exchange)
            wire.send(unsafe scratch.plaintext.span.bytes)
        } else {
            sendHead(of: exchange)
        }
        sendBody(until: sentBefore + Wire.maxSentInRow)
    }

    /// Sends the head, and with it as much of a body at hand as goes out in the same turn.
    private func sendHead(of exchange: Exchange) {
        let scratch = loop.scratch
        let body = exchange.request.content
        guard case .segments(let segments) = body.content, body.length != nil else {
            wire.send(unsafe scratch.plaintext.span.bytes)
            return startBody(of: exchange)
        }
        exchange.bodyStarted()
        unsafe send(
            segments[...], after: scratch.plaintext.span.bytes,
            until: sentBefore + Wire.maxSentInRow)
    }

    /// Makes the body ready to go out after a head that has left.
    private func startBody(of exchange: Exchange) {
        exchange.bodyStarted()
        let body = exchange.request.content
        if case .segments(let segments) = body.content, body.length != nil {
            outgoing = .segments(segments[...])
            return
        }
        let pump =
            exchange.pump
            ?? UploadPump(
                body.content, maxBuffered: exchange.request.limits.uploadBufferBytes)
        outgoing = .pump(pump, remaining: body.length)
        pump.start { [weak self, weak exchange] in
            guard let self, let exchange else { return }
            self.uploadReady(exchange)
        }
    }

    // MARK: Expect: 100-continue

    /// Keeps the body back until the peer wants it, or has said nothing for so long.
    private func holdBody(of exchange: Exchange) {
        let deadline = Deadline.now().advanced(by: tuning.continueTimeout)
        let timer = loop.schedule(at: deadline) { [weak self, weak exchange] in
            guard let self, let exchange else { return }
            self.assumeIsolated { $0.releaseBody(of: exchange) }
        }
        outgoing = .held(timer)
    }

    /// The peer wants the body, or had time enough to refuse it (RFC 9110, section 10.1.1).
    func releaseBody(of exchange: Exchange) {
        guard self.exchange === exchange, case .held(let timer) = outgoing else { return }
        loop.cancel(timer)
        startBody(of: exchange)
        sendBody()
    }

    // MARK: The body

    /// Hands over as much of the body as the wire takes, and others on the loop can wait for.
    func sendBody() {
        sendBody(until: wire.sentCount + Wire.maxSentInRow)
    }

    /// The same in a turn that has begun: it is over when the wire has sent so many bytes in all.
    private func sendBody(until end: UInt64) {
        guard exchange != nil else { return }
        var goesOn = true
        while goesOn, wire.isWritable {
            guard wire.sentCount < end else { return wire.writeLater() }
            switch outgoing {
            case .nothing, .held: return
            case .segments(let segments): send(segments, until: end)
            case .pump(let pump, let remaining):
                goesOn = send(pump.next(), remaining: remaining, from: pump)
            }
        }
        if wire.sendError != nil { sendingFailed() }
    }

    /// Sends pieces at hand, the first of them together with the head.
    private func send(
        _ segments: ArraySlice<Bytes>, after head: RawSpan = RawSpan(), until end: UInt64
    ) {
        // The state must not hold the pieces too, or taking one off would copy them all.
        outgoing = .nothing
        var rest = segments.drop(while: \.isEmpty)
        if rest.isEmpty { wire.send(head) }
        var head = head
        while !rest.isEmpty, !head.isEmpty || wire.isWritable, wire.sentCount < end {
            let count = wire.send(head, rest, until: end)
            head = RawSpan()
            exchange?.bodySent(count)
            rest.dropFirstBytes(count)
        }
        if rest.isEmpty { finishRequest() } else { outgoing = .segments(rest) }
    }

    /// Sends what a producer gave; `false` when there is nothing to go on with now.
    private func send(_ next: UploadPump.Next, remaining: UInt64?, from pump: UploadPump) -> Bool {
        switch next {
        case .later: return false
        case .bytes(let bytes):
            guard let remaining else {
                sendChunk(bytes)
                return true
            }
            guard UInt64(bytes.count) <= remaining else {
                failUpload("has more bytes than its declared length")
                return false
            }
            outgoing = .pump(pump, remaining: remaining - UInt64(bytes.count))
            bytes.withSpan { wire.send($0) }
            exchange?.bodySent(bytes.count)
            // The answer may come before the producer says that it is done.
            if UInt64(bytes.count) == remaining { machine.requestFinished() }
            return true
        case .end:
            if let remaining, remaining > 0 {
                failUpload("ended \(remaining) bytes before its declared length")
                return false
            }
            if remaining == nil, !sendLastChunk() { return false }
            finishRequest()
            return false
        case .failed(let error):
            exchange?.producerFailed(error)
            failUpload(.producerFailed, UploadPump.explain(error))
            return false
        }
    }

    private func sendChunk(_ bytes: Bytes) {
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        RequestEncoder.appendChunkHead(size: bytes.count, to: &scratch.plaintext)
        bytes.withSpan { scratch.plaintext.append(copying: $0) }
        RequestEncoder.appendChunkEnd(to: &scratch.plaintext)
        wire.send(unsafe scratch.plaintext.span.bytes)
        exchange?.bodySent(bytes.count)
    }

    /// Ends a chunked body; `false` when its trailers cannot be sent, which ends the exchange.
    private func sendLastChunk() -> Bool {
        let scratch = loop.scratch
        scratch.plaintext.removeAll(keepingCapacity: true)
        do throws(InvalidRequest) {
            try RequestEncoder.appendLastChunk(
                trailers: exchange?.request.content.trailers?() ?? [:], to: &scratch.plaintext)
        } catch {
            failUpload(error)
            return false
        }
        wire.send(unsafe scratch.plaintext.span.bytes)
        return true
    }

    private func finishRequest() {
        outgoing = .nothing
        machine.requestFinished()
        exchange?.requestSent()
    }

    private func failUpload(_ message: String) {
        failUpload(InvalidRequest(field: "body", reason: message))
    }

    private func failUpload(_ invalid: InvalidRequest) {
        failUpload(.invalidRequest(invalid), invalid.description)
    }

    /// The request cannot be whole any more, which hides no answer that has come all the same.
    private func failUpload(_ kind: TransportError.Kind, _ message: String) {
        stopUpload()
        let exchange = exchange
        readWhatHasCome()
        guard self.exchange === exchange, !isRefused else { return }
        end(.requestUnfinished, kind, message)
    }

    // MARK: Giving up

    /// Sends no more of the body, and cancels its producer.
    func stopUpload() {
        switch outgoing {
        case .nothing, .segments: break
        case .held(let timer): loop.cancel(timer)
        case .pump(let pump, _): pump.stop()
        }
        outgoing = .nothing
        exchange?.uploadEnded()
    }

    /// A parsed response beats a broken pipe: what the peer had said is read to its end.
    ///
    /// From now on reading goes on until it says that there is nothing more, which ends the
    /// connection (`readInput`).
    ///
    /// But where nothing of the request had left, what the peer had said was no answer to it.
    private func sendingFailed() {
        stopUpload()
        guard nothingHasLeft, let error = wire.sendError else { return readInput() }
        end(.transportError, error.explained.kind, error.explained.message)
    }

    /// Whether the socket has taken no byte of the present request.
    var nothingHasLeft: Bool { wire.sentCount == sentBefore }

    /// Whether something of the body is ready to go out, or has not left.
    var isSending: Bool {
        switch outgoing {
        case .nothing, .held: wire.unsentCount > 0
        case .segments, .pump: true
        }
    }
}

extension ArraySlice<Bytes> {
    /// Takes so many bytes away from the front, and with them the pieces that have none left.
    fileprivate mutating func dropFirstBytes(_ count: Int) {
        var count = count
        while let piece = first, piece.count <= count {
            count -= piece.count
            removeFirst()
        }
        if count > 0 { self[startIndex] = self[startIndex].dropFirst(count) }
    }
}
