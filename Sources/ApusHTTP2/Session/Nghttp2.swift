import ApusCore
import CApusNghttp2

/// The making of nghttp2 sessions and the C functions that they call.
///
/// The functions are top-level and belong to no actor: a closure literal given to C from an
/// isolated context would trap. Each finds its `HTTP2Session` by the user data.
enum Nghttp2 {
    /// What a peer is taken to allow before its SETTINGS say (RFC 9113, section 6.5.2, names 100 as
    /// the least that makes sense).
    static let assumedMaxStreams = 100

    static let readCallback: nghttp2_data_source_read_callback = readBody

    /// A client session with this layer's options and callbacks; `nil` without memory.
    static func newSession() -> OpaquePointer? {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else { return nil }
        defer { nghttp2_session_callbacks_del(callbacks) }
        register(callbacks)
        var option: OpaquePointer?
        guard nghttp2_option_new(&option) == 0, let option else { return nil }
        defer { nghttp2_option_del(option) }
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_peer_max_concurrent_streams(option, UInt32(assumedMaxStreams))
        nghttp2_option_set_max_reserved_remote_streams(option, 0)
        nghttp2_option_set_max_send_header_block_length(option, HTTP2Session.maxRequestSection * 2)
        // Debian's 1.52 counts each piece that the frame's nine-byte header arrives in, so the
        // bound in frames is our own (`FrameCensus`).
        nghttp2_option_set_max_continuations(option, (FrameCensus.maxContinuations + 1) * 10)
        var session: OpaquePointer?
        guard nghttp2_session_client_new2(&session, callbacks, nil, option) == 0 else { return nil }
        return session
    }

    /// nghttp2's own words for one of its codes.
    static func text(_ code: Int32) -> String {
        nghttp2_strerror(code).map { String(cString: $0) } ?? "error \(code)"
    }

    /// What the peer's frame broke, by the code that nghttp2 reports it with.
    static func breach(_ code: Int32) -> HTTP2Breach {
        switch code {
        case NGHTTP2_ERR_HTTP_HEADER.rawValue: .invalidField
        case NGHTTP2_ERR_HTTP_MESSAGING.rawValue: .invalidMessage
        case NGHTTP2_ERR_FLOW_CONTROL.rawValue: .flowControl
        default: .frame(nghttp2Code: code)
        }
    }

    private static func register(_ callbacks: OpaquePointer) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, beginHeaders)
        nghttp2_session_callbacks_set_on_header_callback(callbacks, receiveField)
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, receiveInvalidField)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, receiveFrame)
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
            callbacks, receiveInvalidFrame)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, receiveData)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, closeStream)
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, sendFrame)
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, dropFrame)
        nghttp2_session_callbacks_set_send_data_callback(callbacks, sendData)
        nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, dataFrameLength)
    }
}

/// Calls `body` with the session that the user data points to, which is not retained for that.
///
/// Sound because nghttp2 calls back only while a method of that very session runs.
@inline(__always)
private func withOwner(
    _ userData: UnsafeMutableRawPointer?, _ body: (HTTP2Session) -> Int32
) -> Int32 {
    guard let userData else { return callbackFailure }
    return Unmanaged<HTTP2Session>.fromOpaque(userData)._withUnsafeGuaranteedRef(body)
}

/// The header that every frame of nghttp2's union begins with.
private func header(of frame: UnsafePointer<nghttp2_frame>) -> nghttp2_frame_hd {
    UnsafeRawPointer(frame).load(as: nghttp2_frame_hd.self)
}

private let callbackFailure = NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
private let streamFailure = NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue

private func beginHeaders(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let header = frame.map(header(of:)) else { return callbackFailure }
    return withOwner(userData) { session in
        if header.type == FrameType.headers { session.headersBegan(on: header.stream_id) }
        return 0
    }
}

private func receiveField(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ name: UnsafePointer<UInt8>?, _ nameLength: Int,
    _ value: UnsafePointer<UInt8>?, _ valueLength: Int,
    _ flags: UInt8, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    withOwner(userData) { session in
        let isFine = session.fieldReceived(
            UnsafeBufferPointer(start: name, count: nameLength),
            UnsafeBufferPointer(start: value, count: valueLength))
        return isFine ? 0 : callbackFailure
    }
}

/// nghttp2 would leave out a field with a forbidden byte and go on; that would be guessing.
private func receiveInvalidField(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ name: UnsafePointer<UInt8>?, _ nameLength: Int,
    _ value: UnsafePointer<UInt8>?, _ valueLength: Int,
    _ flags: UInt8, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    streamFailure
}

private func receiveFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame else { return callbackFailure }
    return withOwner(userData) { session in
        frameReceived(frame, by: session)
        return 0
    }
}

private func frameReceived(_ frame: UnsafePointer<nghttp2_frame>, by session: HTTP2Session) {
    let header = header(of: frame)
    let isEnd = header.flags & FrameFlag.endStream != 0
    switch header.type {
    case FrameType.data:
        if isEnd { session.dataEnded(on: header.stream_id) }
    case FrameType.headers:
        session.census.sectionWelcomed(byteCount: header.length)
        session.headersReceived(on: header.stream_id, isEnd: isEnd)
    case FrameType.resetStream:
        session.resetReceived(
            on: header.stream_id, code: frame.pointee.rst_stream.error_code)
    case FrameType.settings:
        if header.flags & FrameFlag.acknowledgement == 0 {
            session.settingsReceived()
        } else {
            session.settings = .acknowledged
        }
    case FrameType.ping:
        guard header.flags & FrameFlag.acknowledgement != 0 else { break }
        let number = withUnsafeBytes(of: frame.pointee.ping.opaque_data) {
            UInt64(bigEndian: $0.loadUnaligned(as: UInt64.self))
        }
        session.pingAnswered(number)
    case FrameType.goAway:
        let goAway = frame.pointee.goaway
        session.goAwayReceived(
            lastStreamID: goAway.last_stream_id, code: goAway.error_code,
            debug: text(goAway.opaque_data, goAway.opaque_data_len))
    default: break
    }
}

private func receiveInvalidFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ code: Int32,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let header = frame.map(header(of:)) else { return callbackFailure }
    return withOwner(userData) { session in
        session.invalidFrameReceived(on: header.stream_id, code)
        return 0
    }
}

private func receiveData(
    _: OpaquePointer?, _ flags: UInt8, _ stream: Int32,
    _ bytes: UnsafePointer<UInt8>?, _ count: Int, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    withOwner(userData) { session in
        session.dataReceived(UnsafeBufferPointer(start: bytes, count: count), on: stream)
        return 0
    }
}

private func closeStream(
    _: OpaquePointer?, _ stream: Int32, _ code: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    withOwner(userData) { session in
        session.streamClosed(stream, code: code)
        return 0
    }
}

private func sendFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame else { return callbackFailure }
    return withOwner(userData) { session in
        frameSent(frame, by: session)
        return 0
    }
}

private func frameSent(_ frame: UnsafePointer<nghttp2_frame>, by session: HTTP2Session) {
    let header = header(of: frame)
    switch header.type {
    case FrameType.data:
        if header.flags & FrameFlag.endStream != 0 { session.endSent(on: header.stream_id) }
    case FrameType.headers:
        if header.flags & FrameFlag.endStream != 0 { session.endSent(on: header.stream_id) }
        session.requestSent(on: header.stream_id)
    case FrameType.resetStream: session.resetSent()
    case FrameType.ping:
        if header.flags & FrameFlag.acknowledgement == 0 { session.pingSent() }
    case FrameType.goAway:
        // Our own through nghttp2 carry NO_ERROR; any other code is nghttp2 giving the peer up.
        let goAway = frame.pointee.goaway
        guard goAway.error_code != HTTP2ErrorCode.noError else { break }
        session.violationReported(
            code: goAway.error_code, reason: text(goAway.opaque_data, goAway.opaque_data_len))
    default: break
    }
}

/// Without this a frame that nghttp2 cannot pack would be gone without a word.
private func dropFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ code: Int32,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let header = frame.map(header(of:)) else { return callbackFailure }
    return withOwner(userData) { session in
        if header.type == FrameType.headers { session.headersNotSent(on: header.stream_id) }
        return 0
    }
}

private func readBody(
    _: OpaquePointer?, _ stream: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ room: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _: UnsafeMutablePointer<nghttp2_data_source>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int {
    guard let flags else { return Int(callbackFailure) }
    let result = withOwner(userData) { session in
        switch session.nextBody(of: stream, room: room) {
        case .deferred: return NGHTTP2_ERR_DEFERRED.rawValue
        case .cancelled: return streamFailure
        case .data(let count, let isEnd, let trailersFollow):
            // NO_COPY: the bytes go from the body's own storage to the output, in `sendData`.
            flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
            if isEnd { flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue }
            if trailersFollow { flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue }
            // At most `HTTP2Session.maxDataFrame`.
            return Int32(count)
        }
    }
    return Int(result)
}

/// As much as the peer takes in one frame (RFC 9113, section 4.2); nghttp2 applies the windows.
private func dataFrameLength(
    _: OpaquePointer?, _ type: UInt8, _ stream: Int32, _ connectionWindow: Int32,
    _ streamWindow: Int32, _ maxFrame: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int {
    min(Int(maxFrame), HTTP2Session.maxDataFrame)
}

private func sendData(
    _: OpaquePointer?, _ frame: UnsafeMutablePointer<nghttp2_frame>?,
    _ frameHeader: UnsafePointer<UInt8>?, _ length: Int,
    _: UnsafeMutablePointer<nghttp2_data_source>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let frameHeader else { return callbackFailure }
    let stream = header(of: UnsafePointer(frame)).stream_id
    return withOwner(userData) { session in
        guard session.writeData(frameHeader, length, on: stream) else { return streamFailure }
        // Without this nghttp2 would go on to the next DATA frame past the caller's limit.
        return session.ready.count < session.readyLimit ? 0 : NGHTTP2_ERR_PAUSE.rawValue
    }
}

/// At most 256 bytes of what a GOAWAY says for people, fit for a log: what is not visible ASCII
/// becomes a question mark.
private func text(_ bytes: UnsafeMutablePointer<UInt8>?, _ count: Int) -> String {
    let visible = UnsafeBufferPointer(start: bytes, count: min(count, 256)).map { byte in
        (0x20...0x7E).contains(byte) ? byte : UInt8(ascii: "?")
    }
    return String(decoding: visible, as: UTF8.self)
}
