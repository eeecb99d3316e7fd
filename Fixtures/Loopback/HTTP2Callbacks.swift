import CApusNghttp2

/// What nghttp2 calls, each handing on to the connection in `userData`.
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

/// Name-value pairs in the form that nghttp2 takes.
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
            // nghttp2 copies what it is given.
            pairs.withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
        }
    }
}

private func connection(_ userData: UnsafeMutableRawPointer?) -> HTTP2Connection? {
    userData.map { Unmanaged<HTTP2Connection>.fromOpaque($0).takeUnretainedValue() }
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
    connection(userData)?.streamBegan(frame.pointee.hd.stream_id)
    return 0
}

private func fieldReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ name: UnsafePointer<UInt8>?, _ nameLength: Int, _ value: UnsafePointer<UInt8>?,
    _ valueLength: Int, _ flags: UInt8, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, isRequest(frame.pointee),
        let stream = connection(userData)?.streams[frame.pointee.hd.stream_id]
    else { return 0 }
    let name = UnsafeRawBufferPointer(start: name, count: nameLength)
    let value = UnsafeRawBufferPointer(start: value, count: valueLength)
    stream.head.append(contentsOf: name)
    stream.head.append(0x3a)
    stream.head.append(0x20)
    stream.head.append(contentsOf: value)
    stream.head.append(0x0a)
    switch nameLength {
    case 5 where FieldLines.matches(name, ":path"): stream.path = Array(value)
    case 7 where FieldLines.matches(name, ":method"):
        stream.method = String(decoding: value, as: UTF8.self)
    case 6 where FieldLines.matches(name, "expect"):
        stream.expectsContinue = FieldLines.matches(value, "100-continue")
    default: break
    }
    return 0
}

private func frameReceived(
    _ session: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame, let connection = connection(userData) else { return 0 }
    let head = frame.pointee.hd
    let hasEnded = head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
    switch UInt32(head.type) {
    case NGHTTP2_HEADERS.rawValue:
        // A second HEADERS frame holds trailers.
        if isRequest(frame.pointee) { connection.headReceived(head.stream_id) }
        if hasEnded { connection.requestEnded(head.stream_id) }
    case NGHTTP2_DATA.rawValue:
        if hasEnded { connection.requestEnded(head.stream_id) }
    case NGHTTP2_RST_STREAM.rawValue: connection.record.totals.streamCancelled()
    case NGHTTP2_PING.rawValue:
        if head.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 {
            connection.record.totals.pingReceived()
        }
    case NGHTTP2_GOAWAY.rawValue: connection.record.totals.goAwayReceived()
    default: break
    }
    return 0
}

private func contentReceived(
    _ session: OpaquePointer?, _ flags: UInt8, _ id: Int32, _ data: UnsafePointer<UInt8>?,
    _ length: Int, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    connection(userData)?.contentReceived(id, UnsafeRawBufferPointer(start: data, count: length))
    return 0
}

private func streamClosed(
    _ session: OpaquePointer?, _ id: Int32, _ code: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    connection(userData)?.streamEnded(id)
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
        connection(userData)?.answerSent(head.stream_id)
    }
    return 0
}

private func readContent(
    _ session: OpaquePointer?, _ id: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ length: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int {
    guard let connection = connection(userData), let flags else {
        return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
    }
    let room = UnsafeMutableRawBufferPointer(start: buffer, count: length)
    return connection.readContent(id, into: room, &flags.pointee)
}
