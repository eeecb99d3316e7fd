package import ApusCore
import CApusNghttp2
package import HTTPTypes

// Our bytes: bodies queued per stream, framed by nghttp2 as the windows allow.

extension HTTP2Session {
    /// Hands over body bytes by reference; they are framed as the windows allow.
    ///
    /// Nothing happens when the stream is gone: its `.closed` says so.
    package func send(_ bytes: Bytes, endOfBody: Bool, on id: HTTP2StreamID) {
        guard state.isRunning, let stream = stream(id) else { return }
        stream.outgoing.append(bytes)
        if endOfBody {
            finish(stream, trailers: nil)
            noteSmallBody(of: stream)
        }
        wake(stream)
    }

    /// Ends the stream's body, with trailers when there are any.
    ///
    /// - Throws: `tooLarge` for trailers that the peer does not take; the body has not ended then.
    package func finish(trailers: HTTPFields?, on id: HTTP2StreamID) throws(HTTP2Error) {
        guard state.isRunning, let stream = stream(id) else { return }
        if let trailers, !trailers.isEmpty {
            request.fill(trailers: trailers)
            try checkSize(.trailers)
            finish(stream, trailers: trailers)
        } else {
            finish(stream, trailers: nil)
        }
        wake(stream)
    }

    private func finish(_ stream: HTTP2Stream, trailers: HTTPFields?) {
        stream.outgoing.finish(trailers: trailers)
        noteBareEnd(of: stream)
    }

    /// Whether what is left of the stream's body, its end included, fits the windows as they are.
    ///
    /// False while more of it may be handed over.
    package func canFinish(_ id: HTTP2StreamID) -> Bool {
        guard let stream = stream(id), stream.outgoing.isFinished, !stream.outgoing.isDiscarded
        else { return false }
        let rest = stream.outgoing.count
        return rest == 0 || rest <= min(Self.maxDataFrame, sendWindow(of: id))
    }

    /// Whether END_STREAM of ours was framed, or the stream is gone.
    package func hasSentEnd(_ id: HTTP2StreamID) -> Bool { stream(id)?.isEndSent ?? true }

    private func sendWindow(of id: HTTP2StreamID) -> Int {
        let stream = nghttp2_session_get_stream_remote_window_size(session, id)
        return Int(min(stream, nghttp2_session_get_remote_window_size(session)))
    }

    /// Whether a body waits and the connection's window is closed.
    package var isSendWindowClosed: Bool {
        guard nghttp2_session_get_remote_window_size(session) <= 0 else { return false }
        return streams.values.contains { $0.outgoing.count > 0 }
    }

    /// The window with which the peer's streams begin.
    package var peerStreamWindow: Int {
        Int(nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE))
    }

    /// Body bytes handed over for the stream that have not left yet.
    package func queuedBytes(on id: HTTP2StreamID) -> Int {
        stream(id)?.outgoing.count ?? 0
    }

    /// Body bytes of one stream that went out in a row.
    package struct SentBody: Sendable, Hashable {
        package let stream: HTTP2StreamID
        package var count: Int
    }

    /// Body bytes that left since the last call, one stream at a time; `nil` when all were
    /// reported.
    package func nextSentBody() -> SentBody? { sentBodies.popLast() }

    /// Whether there are bytes for the peer now.
    package var wantsOutput: Bool {
        if !ready.isEmpty { return true }
        guard state.isRunning else { return false }
        if nghttp2_session_want_write(session) != 0 { return true }
        return bareEnds.contains(where: isEndDue)
    }

    /// Adds the frames that are ready to `output`, whole ones, until about `limit` bytes were
    /// added; long bodies are in it by reference.
    ///
    /// - Returns: whether more is ready now.
    package func nextOutput(
        into output: inout OutgoingBytes, limit: Int
    ) throws(HTTP2Error) -> Bool {
        guard wantsOutput else { return false }
        let start = output.count
        if !ready.isEmpty {
            output.append(ready)
            ready = OutgoingBytes()
        }
        guard state.isRunning else { return false }
        // The DATA callback appends to `ready`, so the caller's array takes its place meanwhile.
        swap(&ready, &output)
        gather(limit: start + limit)
        swap(&ready, &output)
        if let failure, case .internalFailure = failure.kind { throw failure }
        // Without progress there is nothing to call again for.
        return output.count > start && wantsOutput
    }

    /// The same, appended to an array.
    package func nextOutput(into output: inout [UInt8], limit: Int) throws(HTTP2Error) -> Bool {
        var bytes = OutgoingBytes(taking: &output)
        defer { bytes.give(to: &output) }
        return try nextOutput(into: &bytes, limit: limit)
    }

    /// Appends everything that can be framed now to an array, 64 KiB at a time.
    package func appendOutput(to output: inout [UInt8]) throws(HTTP2Error) {
        while try nextOutput(into: &output, limit: 64 * 1024) {}
    }

    /// Takes frames out of nghttp2 into `ready` until it holds `limit` bytes.
    func gather(limit: Int) {
        endGivingWay()
        gather(limit: limit) { true }
        // What the windows hold back is held back; an end without bytes is not.
        while state.isRunning, ready.count < limit, endGivingWay() || submitBareEnds() {
            gather(limit: limit) { true }
        }
    }

    /// The same with the frames alone that nghttp2 keeps in its queues: all but DATA, which comes
    /// after them, so that one frame of it may follow HEADERS that wait for a slot.
    func gatherAnswers(limit: Int) {
        gather(limit: limit) { nghttp2_session_get_outbound_queue_size(session) > 0 }
    }

    private func gather(limit: Int, while goesOn: () -> Bool) {
        readyLimit = limit
        var isWithinHeaders = false
        while state.isRunning, isWithinHeaders || ready.count < limit && goesOn() {
            var frame: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &frame)
            guard count > 0, let frame else {
                if count < 0 {
                    let code = Int32(truncatingIfNeeded: count)
                    fail(HTTP2Error(.internalFailure(code)), code: HTTP2ErrorCode.internalError)
                }
                break
            }
            ready.append(copying: UnsafeRawBufferPointer(start: frame, count: count))
            // A header section in several frames must not be cut by anything (RFC 9113, 4.3).
            isWithinHeaders = Self.leavesHeadersOpen(frame, count)
            endIfTerminated()
        }
        census.answersLeft()
    }

    /// How many bytes of body the next DATA frame takes; zero asks nghttp2 to wait.
    func nextBody(of id: HTTP2StreamID, room: Int) -> BodyRead {
        guard let stream = stream(id), !stream.outgoing.isDiscarded else { return .cancelled }
        // The end goes in a frame of its own, and there is nothing before it.
        if stream.isEndSubmitted { return .deferred }
        let count = min(room, stream.outgoing.count)
        let isLast = stream.outgoing.isFinished && count == stream.outgoing.count
        guard count > 0 || isLast, !givesWay(stream) else {
            stream.outgoing.isDeferred = true
            return .deferred
        }
        guard isLast, let trailers = stream.outgoing.trailers else {
            return .data(count, end: isLast, trailersFollow: false)
        }
        request.fill(trailers: trailers)
        let code = request.withFields { nghttp2_submit_trailer(session, id, $0, $1) }
        stream.isEndSubmitted = code == 0
        return .data(count, end: true, trailersFollow: code == 0)
    }

    /// Writes a DATA frame; false ends the stream, whose bytes are gone.
    func writeData(_ header: UnsafePointer<UInt8>, _ length: Int, on id: HTTP2StreamID) -> Bool {
        guard let stream = stream(id), stream.outgoing.count >= length else { return false }
        ready.append(copying: UnsafeRawBufferPointer(start: header, count: 9))
        stream.outgoing.move(length, to: &ready)
        countSent(length, on: id)
        if smallBodies.isOtherDue { smallBodies.isOtherDue = smallBodies.waiting.contains(id) }
        census.usefulBytesMoved()
        if length > 0, stream.outgoing.count == 0, !stream.outgoing.isFinished {
            events.append(.bodyDrained(id))
        }
        return true
    }

    private func countSent(_ length: Int, on id: HTTP2StreamID) {
        guard length > 0 else { return }
        if let last = sentBodies.indices.last, sentBodies[last].stream == id {
            sentBodies[last].count += length
        } else {
            sentBodies.append(SentBody(stream: id, count: length))
        }
    }

    /// The end of a stream's body, as nghttp2 asks for it.
    enum BodyRead {
        case data(Int, end: Bool, trailersFollow: Bool)
        case deferred
        case cancelled
    }

    /// Remembers a body that has ended and of which no byte is left.
    ///
    /// Its END_STREAM needs no window (RFC 9113, section 6.9.1), but nghttp2 frames no DATA, not
    /// even an empty frame of it, while a window is closed. A stream that CONNECT opened carries
    /// DATA alone (RFC 9113, section 8.5), so its end waits for the window all the same.
    func noteBareEnd(of stream: HTTP2Stream) {
        guard stream.outgoing.isDone, stream.isSent, !stream.isEndSent, !stream.isDuplex
        else { return }
        bareEnds.append(stream.id)
    }

    /// Ends those of the streams noted that nghttp2 has not ended by an empty DATA frame: by
    /// trailers, of no field where there are none.
    ///
    /// - Returns: whether there are frames for it.
    private func submitBareEnds() -> Bool {
        guard !bareEnds.isEmpty else { return false }
        var hasSubmitted = false
        for id in bareEnds {
            guard isEndDue(on: id), let stream = stream(id) else { continue }
            request.fill(trailers: stream.outgoing.trailers ?? [:])
            let code = request.withFields { nghttp2_submit_trailer(session, id, $0, $1) }
            guard code == 0 else { continue }
            stream.isEndSubmitted = true
            hasSubmitted = true
        }
        bareEnds.removeAll(keepingCapacity: true)
        return hasSubmitted
    }

    /// Whether the end of a stream's body is still to be framed, and nothing before it.
    private func isEndDue(on id: HTTP2StreamID) -> Bool {
        guard let stream = stream(id) else { return false }
        return stream.outgoing.isDone && !stream.outgoing.isDiscarded && !stream.isEndSent
            && !stream.isEndSubmitted
    }

    func wake(_ stream: HTTP2Stream) {
        guard stream.outgoing.isDeferred else { return }
        stream.outgoing.isDeferred = false
        _ = nghttp2_session_resume_data(session, stream.id)
    }

    private static func leavesHeadersOpen(_ frame: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard count >= 9, frame[3] == FrameType.headers || frame[3] == FrameType.continuation
        else { return false }
        return frame[4] & FrameFlag.endHeaders == 0
    }
}
