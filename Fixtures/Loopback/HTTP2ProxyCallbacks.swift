import CApusNghttp2

/// What nghttp2 calls for the HTTP/2 proxy, each handing on to the connection in `userData`.
///
/// They are plain functions: a closure made in an isolated context would trap on this thread.
enum HTTP2ProxyCallbacks {
    static let read: nghttp2_data_source_read_callback = readData

    static func make() -> OpaquePointer? {
        var callbacks: OpaquePointer?
        guard nghttp2_session_callbacks_new(&callbacks) == 0 else { return nil }
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, headersBegan)
        nghttp2_session_callbacks_set_on_header_callback(callbacks, fieldReceived)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frameReceived)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, dataReceived)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, streamClosed)
        return callbacks
    }
}

private func connection(_ userData: UnsafeMutableRawPointer?) -> HTTP2ProxyConnection? {
    userData.map { Unmanaged<HTTP2ProxyConnection>.fromOpaque($0).takeUnretainedValue() }
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
    connection(userData)?.tunnels[frame.pointee.hd.stream_id] = HTTP2ProxyConnection.Tunnel()
    return 0
}

private func fieldReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ name: UnsafePointer<UInt8>?, _ nameLength: Int, _ value: UnsafePointer<UInt8>?,
    _ valueLength: Int, _ flags: UInt8, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let tunnel = connection(userData)?.tunnels[frame.pointee.hd.stream_id] else {
        return 0
    }
    let name = UnsafeBufferPointer(start: name, count: nameLength)
    let value = UnsafeBufferPointer(start: value, count: valueLength)
    tunnel.fields.append(
        (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
    return 0
}

private func frameReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let connection = connection(userData) else { return 0 }
    let head = frame.pointee.hd
    if isRequest(frame.pointee) { connection.headReceived(head.stream_id) }
    let carriesEnd =
        head.type == UInt8(NGHTTP2_DATA.rawValue) || head.type == UInt8(NGHTTP2_HEADERS.rawValue)
    if carriesEnd, head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 {
        connection.clientEnded(head.stream_id)
    }
    return 0
}

private func dataReceived(
    _ session: OpaquePointer?, _ flags: UInt8, _ id: Int32, _ data: UnsafePointer<UInt8>?,
    _ length: Int, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    connection(userData)?.dataReceived(id, UnsafeRawBufferPointer(start: data, count: length))
    return 0
}

private func streamClosed(
    _ session: OpaquePointer?, _ id: Int32, _ code: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    connection(userData)?.streamClosed(id)
    return 0
}

private func readData(
    _ session: OpaquePointer?, _ id: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ length: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int {
    guard let connection = connection(userData), let flags else {
        return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }
    let room = UnsafeMutableRawBufferPointer(start: buffer, count: length)
    return connection.readData(id, into: room, &flags.pointee)
}
