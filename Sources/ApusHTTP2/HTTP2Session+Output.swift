package import ApusCore
import CApusNghttp2
package import HTTPTypes

// Our bytes: bodies queued per stream, framed by nghttp2 as the windows allow.

extension HTTP2Session {
    /// Hands over body bytes by reference; they are framed as the windows allow.
    ///
    /// Nothing happens when the stream is gone: its `.closed` says so.
    package func send(_ bytes: Bytes, endOfBody: Bool, on id: HTTP2StreamID) {
        guard failure == nil, let stream = stream(id) else { return }
        stream.outgoing.append(bytes)
        if endOfBody { stream.outgoing.finish(trailers: nil) }
        wake(stream)
    }

    /// Ends the stream's body, with trailers when there are any.
    package func finish(trailers: HTTPFields?, on id: HTTP2StreamID) {
        guard failure == nil, let stream = stream(id) else { return }
        let isEmpty = trailers?.isEmpty ?? true
        stream.outgoing.finish(trailers: isEmpty ? nil : trailers)
        wake(stream)
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

    /// Body bytes that left since they were last asked for, a stream at a time; `nil` when all was
    /// told.
    package func nextSentBody() -> SentBody? { sentBodies.popLast() }

    /// Whether there are bytes for the peer now.
    package var wantsOutput: Bool {
        !ready.isEmpty || (failure == nil && !isEnded && nghttp2_session_want_write(session) != 0)
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
        guard failure == nil, !isEnded else { return false }
        // The DATA callback adds to `ready`, so the caller's array stands in for it meanwhile.
        swap(&ready, &output)
        gather(limit: start + limit)
        swap(&ready, &output)
        if let failure, case .internalFailure = failure.kind { throw failure }
        // Without progress there is nothing to call again for.
        return output.count > start && wantsOutput
    }

    /// The same with everything behind the bytes of an array.
    package func nextOutput(into output: inout [UInt8], limit: Int) throws(HTTP2Error) -> Bool {
        var bytes = OutgoingBytes(taking: &output)
        defer { bytes.give(to: &output) }
        return try nextOutput(into: &bytes, limit: limit)
    }

    /// Takes frames out of nghttp2 into `ready` until it holds `limit` bytes.
    func gather(limit: Int) {
        gather(limit: limit) { true }
    }

    /// The same with the frames alone that nghttp2 keeps in its queues: all but DATA, which comes
    /// after them, so that one frame of it may follow HEADERS that wait for a slot.
    func gatherAnswers(limit: Int) {
        gather(limit: limit) { nghttp2_session_get_outbound_queue_size(session) > 0 }
    }

    private func gather(limit: Int, while goesOn: () -> Bool) {
        readyLimit = limit
        var isWithinHeaders = false
        while failure == nil, isWithinHeaders || ready.count < limit && goesOn() {
            var frame: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &frame)
            guard count > 0, let frame else {
                if count < 0 {
                    let code = Int32(truncatingIfNeeded: count)
                    fail(
                        HTTP2Error(.internalFailure(code), Nghttp2.text(code)),
                        code: HTTP2ErrorCode.internalError)
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
        let count = min(room, stream.outgoing.count)
        let isLast = stream.outgoing.isFinished && count == stream.outgoing.count
        guard count > 0 || isLast else {
            stream.outgoing.isDeferred = true
            return .deferred
        }
        guard isLast, let trailers = stream.outgoing.trailers else {
            return .data(count, end: isLast, trailersFollow: false)
        }
        request.fill(trailers: trailers)
        let code = request.withFields { nghttp2_submit_trailer(session, id, $0, $1) }
        return .data(count, end: true, trailersFollow: code == 0)
    }

    /// Writes a DATA frame; false ends the stream, whose bytes are gone.
    func writeData(_ header: UnsafePointer<UInt8>, _ length: Int, on id: HTTP2StreamID) -> Bool {
        guard let stream = stream(id), stream.outgoing.count >= length else { return false }
        ready.append(copying: UnsafeRawBufferPointer(start: header, count: 9))
        stream.outgoing.move(length, to: &ready)
        countSent(length, on: id)
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

    private func wake(_ stream: HTTP2Stream) {
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
