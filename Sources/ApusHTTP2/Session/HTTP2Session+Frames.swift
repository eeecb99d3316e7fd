import ApusCore
import CApusNghttp2
import HTTPTypes

// What nghttp2 found in the peer's bytes, called from within `bytesReceived` and `nextOutput`.

extension HTTP2Session {
    /// A header section begins on a stream that still takes one.
    func headersBegan(on id: HTTP2StreamID) {
        census.headersWelcomed()
        section.end()
        guard let stream = stream(id) else { return }
        section.begin(for: stream)
        // A stream settled here still decodes its sections, for HPACK's sake, and keeps nothing.
        if stream.progress == .settled { section.discard() }
    }

    /// One field of the current section; false ends the connection.
    func fieldReceived(
        _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>
    ) -> Bool {
        switch section.add(name, value) {
        case .keep: return true
        case .tooLarge(let excess):
            refuseSection(.tooLarge(excess), code: HTTP2ErrorCode.enhanceYourCalm)
            return true
        case .malformed:
            refuseSection(.malformed(.invalidFieldName), code: HTTP2ErrorCode.protocolError)
            return true
        case .bomb:
            fail(HTTP2Error(.abuse(.fieldSection)), code: HTTP2ErrorCode.enhanceYourCalm)
            return false
        }
    }

    /// The section is whole, and fit to be what its place says.
    func headersReceived(on id: HTTP2StreamID, isEnd: Bool) {
        defer { section.end() }
        guard let stream = section.stream, stream.id == id, stream.progress != .settled
        else { return }
        if stream.progress == .body {
            let trailers = section.trailers()
            guard !trailers.contains(.contentLength) else {
                // Too late to frame the body, or meant to deceive (RFC 9110, section 6.5.1).
                refuse(
                    stream, .malformed(.lengthInTrailers), code: HTTP2ErrorCode.protocolError)
                return
            }
            settleAsEnded(stream, trailers: trailers)
            return
        }
        guard section.status >= 100 else {
            refuse(
                stream, .malformed(.status(section.status)), code: HTTP2ErrorCode.protocolError)
            return
        }
        let response = section.response()
        guard section.status >= 200 else {
            informationalReceived(response, on: stream)
            return
        }
        stream.progress = .body
        events.append(.head(id, response, endOfBody: isEnd))
        if isEnd { settleAsEnded(stream, trailers: nil) }
    }

    /// Data of an open stream; the connection's window is credited at once, so that a slow reader
    /// of this stream holds up no other.
    func dataReceived(_ bytes: UnsafeBufferPointer<UInt8>, on id: HTTP2StreamID) {
        census.usefulBytesMoved()
        _ = nghttp2_session_consume_connection(session, bytes.count)
        guard let stream = stream(id), stream.progress == .body else { return }
        stream.unconsumedCount += bytes.count
        events.append(bytes, on: id)
        bodyMeasured(bytes.count, on: stream)
    }

    /// The last DATA frame of an open stream.
    func dataEnded(on id: HTTP2StreamID) {
        guard let stream = stream(id), stream.progress == .body else { return }
        settleAsEnded(stream, trailers: nil)
    }

    /// The peer's RST_STREAM; nghttp2 closes the stream next.
    func resetReceived(on id: HTTP2StreamID, code: UInt32) {
        guard let stream = stream(id) else { return }
        stream.peerResetCode = code
        let isTooMany = code == HTTP2ErrorCode.refusedStream && !stream.isWithinLimit
        if stream.progress != .settled, !isTooMany { census.streamLost() }
    }

    /// The peer's SETTINGS; nghttp2 has applied and answered them.
    ///
    /// Streams that have not left and have no room under the new limit are over: they fit another
    /// connection, and here they would wait for as long as those that run.
    func settingsReceived() {
        let peer = nghttp2_session_get_remote_settings(
            session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
        let most = min(tuning.maxStreamsPerConnection, Int(peer))
        guard most != maxStreams || !hasPeerSettings else { return }
        if settings == .sent { settings = .received }
        maxStreams = most
        events.append(.settingsChanged(maxStreams: most))
        endUnsent(beyond: most - streams.values.count { $0.isSent })
    }

    /// The answer to a PING; one that was not asked for means nothing.
    func pingAnswered(_ number: UInt64) {
        guard number == pingInFlight else { return }
        pingInFlight = nil
        unconfirmedResets -= resetsAsked
        resetsAsked = 0
        confirmResets()
        roundTripEnded()
        events.append(.pingAcknowledged)
    }

    /// The peer's GOAWAY; the streams above its last one are over, and those that never left.
    ///
    /// nghttp2 closes the former next and calls them refused whatever the code says; by then they
    /// are settled here, in order of their numbers.
    func goAwayReceived(lastStreamID: HTTP2StreamID, code: UInt32, debug: String) {
        if code == HTTP2ErrorCode.enhanceYourCalm {
            peerGoAway = .calmDemanded
        } else if peerGoAway == .none {
            peerGoAway = .received
        }
        events.append(.goAway(lastStreamID: lastStreamID, code: code, debug: debug))
        for stream in streamsInOrder() where !stream.isSent || stream.id > lastStreamID {
            end(stream, stream.isSent ? .aboveLastStreamID(goAwayCode: code) : .notSent)
        }
    }

    /// A frame that breaks the rules; nghttp2 resets its stream, or ends the connection.
    ///
    /// Which of the two is known only later, so the complaint waits for the stream to be closed.
    func invalidFrameReceived(on id: HTTP2StreamID, _ code: Int32) {
        guard let stream = stream(id) else { return }
        census.streamReset()
        stream.complaint = Nghttp2.breach(code)
    }

    /// The stream is gone on both sides.
    func streamClosed(_ id: HTTP2StreamID, code: UInt32) {
        guard let stream = stream(id) else { return }
        if stream.progress != .settled, stream.isSent, stream.peerResetCode == nil {
            // By nghttp2, for what the peer sent.
            census.streamLost()
            if stream.complaint == nil { census.streamReset() }
        }
        settle(stream, verdict(on: stream, code: code))
        forget(id)
        events.append(.closed(id))
    }

    /// HEADERS of a request went out whole.
    func requestSent(on id: HTTP2StreamID) {
        guard let stream = stream(id), !stream.isSent else { return }
        stream.isSent = true
        stream.takenBefore = takenBytes
        stream.isWithinLimit = hasPeerSettings
        if !stream.outgoing.isFinished { events.append(.requestSent(id)) }
        noteBareEnd(of: stream)
    }

    /// A frame of ours with END_STREAM went out.
    func endSent(on id: HTTP2StreamID) {
        stream(id)?.isEndSent = true
    }

    /// nghttp2 has dropped HEADERS of ours; a request's own end the stream, trailers do not.
    func headersNotSent(on id: HTTP2StreamID) {
        guard let stream = stream(id), stream.isSent, !stream.isEndSent else { return }
        settle(stream, .trailersNotFramed)
        stream.outgoing.discard()
        _ = nghttp2_submit_rst_stream(session, 0, id, HTTP2ErrorCode.cancel)
        census.streamReset()
    }

    /// A RST_STREAM of ours went out, be it the caller's or an answer to the peer's fault; a PING
    /// that is asked for now follows it.
    func resetSent() {
        unconfirmedResets += 1
        confirmResets()
    }

    /// A PING of ours went out: the peer meets all before it, and then answers.
    func pingSent() {
        resetsAsked = unconfirmedResets
    }

    /// nghttp2's own GOAWAY went out: what the peer did wrong, in its words.
    func violationReported(code: UInt32, reason: String) {
        guard state.isRunning else { return }
        state = .condemned(
            HTTP2Error(
                .protocolViolation(code: code), census.isHTTP1 ? .http1 : .reported(reason)))
    }

    /// Takes over from nghttp2 once its GOAWAY is among the frames gathered.
    func endIfTerminated() {
        guard case .condemned(let error) = state else { return }
        state = .failed(error)
        endAllStreams()
    }

    private func refuseSection(_ failure: StreamFailure, code: UInt32) {
        guard let stream = section.stream else { return }
        refuse(stream, failure, code: code)
    }

    private func informationalReceived(_ response: HTTPResponse, on stream: HTTP2Stream) {
        stream.informationalCount += 1
        guard stream.informationalCount <= limits.informationalResponses else {
            refuse(
                stream,
                .tooLarge(.informationalResponses(most: limits.informationalResponses)),
                code: HTTP2ErrorCode.enhanceYourCalm)
            return
        }
        events.append(.informational(stream.id, response))
    }

    private func settleAsEnded(_ stream: HTTP2Stream, trailers: HTTPFields?) {
        stream.progress = .settled
        events.append(.end(stream.id, trailers: trailers))
    }

    /// Why a stream was closed whose response was neither complete nor refused by us.
    private func verdict(on stream: HTTP2Stream, code: UInt32) -> StreamFailure {
        if !stream.isSent { return .notSent }
        if let code = stream.peerResetCode {
            return code == HTTP2ErrorCode.refusedStream ? .refused : .reset(code: code)
        }
        if let complaint = stream.complaint { return .malformed(complaint) }
        return switch code {
        case HTTP2ErrorCode.flowControlError: .malformed(.windowExceeded)
        case HTTP2ErrorCode.protocolError: .malformed(.bodyLength)
        default: .malformed(.unknown(code: code))
        }
    }
}
