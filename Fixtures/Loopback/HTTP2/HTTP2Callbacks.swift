import CApusNghttp2

/// The events of a server's session, for the origin and the proxy.
///
/// nghttp2 keeps a pointer to it, so it outlives its session.
class HTTP2Service {
    func streamBegan(_ id: Int32) {}
    func fieldReceived(
        _ id: Int32, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) {}
    /// The request's fields are complete.
    func headReceived(_ id: Int32) {}
    func contentReceived(_ id: Int32, _ bytes: UnsafeRawBufferPointer) {}
    func requestEnded(_ id: Int32) {}
    /// A DATA frame is complete.
    func dataFrameReceived(_ frame: nghttp2_frame_hd) {}
    /// A frame that carries no request content.
    func controlReceived(_ frame: nghttp2_frame_hd) {}
    /// The last frame of a response was sent.
    func answerSent(_ id: Int32) {}
    func streamEnded(_ id: Int32) {}
    /// Writes the next piece of a response's content; returns the result of nghttp2's read
    /// callback.
    func readContent(
        _ id: Int32, into room: UnsafeMutableRawBufferPointer, _ flags: inout UInt32
    ) -> Int {
        Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
    }
}

/// The callbacks of nghttp2, each of which calls the service in `userData`.
///
/// They are plain functions: a closure made in an isolated context would trap on this thread.
enum HTTP2Callbacks {
    static let read: nghttp2_data_source_read_callback = readContent

    static func make() -> OpaquePointer? {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0 else { return nil }
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, headersBegan)
        nghttp2_session_callbacks_set_on_header_callback(callbacks, fieldReceived)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frameReceived)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, contentReceived)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, streamClosed)
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frameSent)
        return callbacks
    }
}

/// Name-value pairs in nghttp2's format.
enum HTTP2Fields {
    static func with(
        _ fields: [Reply.Field], _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Void
    ) {
        var text: [UInt8] = []
        for field in fields {
            text.append(contentsOf: field.name.utf8)
            text.append(contentsOf: field.value.utf8)
        }
        text.withUnsafeMutableBufferPointer { text in
            var position = text.baseAddress
            let pairs = fields.map { field in
                let name = position
                let value = name.map { $0 + field.name.utf8.count }
                position = value.map { $0 + field.value.utf8.count }
                return nghttp2_nv(
                    name: name, value: value, namelen: field.name.utf8.count,
                    valuelen: field.value.utf8.count,
                    flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
            }
            // nghttp2 copies the pairs.
            pairs.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
        }
    }
}

private func service(_ userData: UnsafeMutableRawPointer?) -> HTTP2Service? {
    userData.map { Unmanaged<HTTP2Service>.fromOpaque($0).takeUnretainedValue() }
}

private func isRequest(_ frame: nghttp2_frame) -> Bool {
    frame.hd.type == UInt8(NGHTTP2_HEADERS.rawValue)
        && frame.headers.cat == NGHTTP2_HCAT_REQUEST
}

private func headersBegan(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, isRequest(frame.pointee) else { return 0 }
    service(userData)?.streamBegan(frame.pointee.hd.stream_id)
    return 0
}

private func fieldReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ name: UnsafePointer<UInt8>?, _ nameLength: Int, _ value: UnsafePointer<UInt8>?,
    _ valueLength: Int, _ flags: UInt8, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, isRequest(frame.pointee) else { return 0 }
    service(userData)?.fieldReceived(
        frame.pointee.hd.stream_id, UnsafeRawBufferPointer(start: name, count: nameLength),
        UnsafeRawBufferPointer(start: value, count: valueLength))
    return 0
}

private func frameReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let service = service(userData) else { return 0 }
    let head = frame.pointee.hd
    let hasEnded = head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch UInt32(head.type) {
    case NGHTTP2_HEADERS.rawValue:
        // A second HEADERS frame holds trailers.
        if isRequest(frame.pointee) { service.headReceived(head.stream_id) }
        if hasEnded { service.requestEnded(head.stream_id) }
    case NGHTTP2_DATA.rawValue:
        service.dataFrameReceived(head)
        if hasEnded { service.requestEnded(head.stream_id) }
    default: service.controlReceived(head)
    }
    return 0
}

private func contentReceived(
    _ session: OpaquePointer?, _ flags: UInt8, _ id: Int32, _ data: UnsafePointer<UInt8>?,
    _ length: Int, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    service(userData)?.contentReceived(id, UnsafeRawBufferPointer(start: data, count: length))
    return 0
}

private func streamClosed(
    _ session: OpaquePointer?, _ id: Int32, _ code: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    service(userData)?.streamEnded(id)
    return 0
}

private func frameSent(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame else { return 0 }
    let head = frame.pointee.hd
    let isContent =
        head.type == UInt8(NGHTTP2_DATA.rawValue) || head.type == UInt8(NGHTTP2_HEADERS.rawValue)
    if isContent && head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 {
        service(userData)?.answerSent(head.stream_id)
    }
    return 0
}

private func readContent(
    _ session: OpaquePointer?, _ id: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ length: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int {
    guard let service = service(userData), let flags else {
        return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }
    let room = UnsafeMutableRawBufferPointer(start: buffer, count: length)
    return service.readContent(id, into: room, &flags.pointee)
}
