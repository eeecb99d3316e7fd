import CApusNghttp2

// Flow control of what we receive (RFC 9113, section 5.2).

extension HTTP2Session {
    /// The consumer took this many bytes of the stream's body, which credits the stream's window;
    /// a WINDOW_UPDATE goes out when half of it is due.
    ///
    /// More than was delivered is not credited.
    package func consumed(_ count: Int, on id: HTTP2StreamID) {
        guard failure == nil, let stream = stream(id) else { return }
        let credit = min(count, stream.unconsumedCount)
        stream.unconsumedCount -= credit
        // A complete response needs no window.
        guard credit > 0, stream.progress == .body else { return }
        _ = nghttp2_session_consume_stream(session, id, credit)
    }
}
