package import ApusCore
import CApusNghttp2

// The peer's bytes, and what ends the connection.

extension HTTP2Session {
    /// Takes bytes from the peer; `nextEvent()` reports what they mean.
    ///
    /// - Throws: the error that ends the connection. The events then report the outcome of each
    ///   stream, and every later call throws the same error.
    package func bytesReceived(_ input: RawSpan) throws(HTTP2Error) {
        if let failure { throw failure }
        guard state.isRunning else { return }
        input.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count, state.isRunning {
                let end = min(start + Self.inputSlice, bytes.count)
                feed(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                start = end
            }
        }
        events.flush()
        if let failure { throw failure }
    }

    /// The peer's bytes are at an end, by its FIN or by an error below: every open stream fails.
    ///
    /// A stream whose response is complete is only closed.
    ///
    /// - Parameter taken: how many bytes the transport has taken in all; a request of which it has
    ///   taken none was never sent.
    package func streamEnded(taken: UInt64? = nil) {
        guard state.isRunning else { return }
        state = .ended
        endAllStreams(taken: taken)
    }

    /// Sets the time, for the bounds on PING and SETTINGS, which are rates, and for the pauses
    /// between measurements of the round trip.
    ///
    /// Without it only nghttp2's 1,000 unanswered frames bound those two.
    package func timePassed(now: Deadline) {
        self.now = now
        census.timePassed(now: now)
    }

    private func feed(_ slice: UnsafeRawBufferPointer) {
        census.openStreams = streams.count
        census.count(slice)
        let code = nghttp2_session_mem_recv(
            session, slice.assumingMemoryBound(to: UInt8.self).baseAddress, slice.count)
        guard state.isRunning else { return }
        if code < 0 {
            fail(nghttp2: Int32(truncatingIfNeeded: code))
        } else if let flood = census.flood {
            fail(flood)
        } else {
            settleAccounts()
        }
    }

    /// After each slice: takes answers out before they count as a flood, and notices when nghttp2
    /// has ended the connection.
    ///
    /// DATA is not taken out: no output was asked for, and a body may be long.
    private func settleAccounts() {
        // nghttp2 does not report that it has queued its own GOAWAY. That it takes no requests is
        // the only sign; the reason comes when the frames are taken out (`violationReported`).
        let isSuspect = nghttp2_session_check_request_allowed(session) == 0
        // After the peer's own GOAWAY, or the last stream number, that is so for good.
        let isCertain = isSuspect && !isGoAwayReceived && !areStreamsExhausted
        let isDue = isSuspect || census.unansweredFrames > 256
        guard isCertain || isDue && ready.count < Self.maxReadyAnswers else { return }
        gatherAnswers(limit: ready.count + Self.inputSlice)
    }

    private func fail(nghttp2 code: Int32) {
        switch code {
        case NGHTTP2_ERR_FLOODED.rawValue:
            fail(.unansweredFrames)
        case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue:
            fail(.continuations)
        default:
            fail(HTTP2Error(.internalFailure(code)), code: HTTP2ErrorCode.internalError)
        }
    }

    private func fail(_ flood: HTTP2Flood) {
        fail(HTTP2Error(.abuse(flood)), code: HTTP2ErrorCode.enhanceYourCalm)
    }
}
