import CApusNghttp2

/// nghttp2's server side: a peer that keeps the rules, from another hand than ours.
final class ServerPeer {
    /// A request as the server saw it.
    struct Request: Equatable {
        var fields: [String] = []
        /// The values of `cookie`, byte by byte.
        var cookies: [[UInt8]] = []
        var body: [UInt8] = []
        var trailers: [String] = []
        var isComplete = false
    }

    private(set) var requests: [Int32: Request] = [:]
    /// Streams closed, with their codes, in order.
    private(set) var closed: [(stream: Int32, code: UInt32)] = []
    /// Called when a request is complete.
    var onRequest: (ServerPeer, Int32) -> Void = { _, _ in }
    private let session: OpaquePointer
    private var bodies: [Int32: (bytes: [UInt8], offset: Int, trailers: [(String, String)])] = [:]

    init(settings: [(Int32, UInt32)] = [], autoWindow: Bool = true) {
        var callbacks: OpaquePointer?
        nghttp2_session_callbacks_new(&callbacks)
        nghttp2_session_callbacks_set_on_header_callback(callbacks, serverField)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, serverData)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, serverFrame)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, serverClose)
        var option: OpaquePointer?
        nghttp2_option_new(&option)
        nghttp2_option_set_no_auto_window_update(option, autoWindow ? 0 : 1)
        var made: OpaquePointer?
        nghttp2_session_server_new2(&made, callbacks, nil, option)
        nghttp2_session_callbacks_del(callbacks)
        nghttp2_option_del(option)
        guard let made else { preconditionFailure("no server session") }
        session = made
        nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
        let entries = settings.map { nghttp2_settings_entry(settings_id: $0.0, value: $0.1) }
        nghttp2_submit_settings(session, 0, entries, entries.count)
    }

    deinit { nghttp2_session_del(session) }

    func receive(_ bytes: [UInt8]) -> Int {
        nghttp2_session_mem_recv(session, bytes, bytes.count)
    }

    func output() -> [UInt8] {
        var output: [UInt8] = []
        appendOutput(to: &output)
        return output
    }

    func appendOutput(to output: inout [UInt8]) {
        while true {
            var bytes: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &bytes)
            guard count > 0 else { return }
            output.append(contentsOf: UnsafeBufferPointer(start: bytes, count: count))
        }
    }

    func respond(
        _ stream: Int32, _ fields: [(String, String)], body: [UInt8]? = nil,
        trailers: [(String, String)] = []
    ) {
        var provider = nghttp2_data_provider()
        provider.read_callback = serverBody
        if let body { bodies[stream] = (body, 0, trailers) }
        withFields(fields) {
            if body != nil {
                nghttp2_submit_response(session, stream, $0, $1, &provider)
            } else {
                nghttp2_submit_response(session, stream, $0, $1, nil)
            }
        }
    }

    func inform(_ stream: Int32, _ fields: [(String, String)]) {
        withFields(fields) { nghttp2_submit_headers(session, 0, stream, nil, $0, $1, nil) }
    }

    func reset(_ stream: Int32, _ code: UInt32) {
        nghttp2_submit_rst_stream(session, 0, stream, code)
    }

    func goAway(last: Int32, _ code: UInt32 = 0) {
        nghttp2_submit_goaway(session, 0, last, code, nil, 0)
    }

    func settings(_ id: Int32, _ value: UInt32) {
        let entry = [nghttp2_settings_entry(settings_id: id, value: value)]
        nghttp2_submit_settings(session, 0, entry, 1)
    }

    func ping() { nghttp2_submit_ping(session, 0, nil) }

    func consume(_ stream: Int32, _ count: Int) {
        nghttp2_session_consume(session, stream, count)
    }

    /// Forgets what it saw, for long measurements.
    func forget() {
        requests.removeAll(keepingCapacity: true)
        closed.removeAll(keepingCapacity: true)
    }

    @discardableResult
    private func withFields<Result>(
        _ fields: [(String, String)], _ body: (UnsafePointer<nghttp2_nv>?, Int) -> Result
    ) -> Result {
        var bytes: [UInt8] = []
        var marks: [(Int, Int, Int)] = []
        for (name, value) in fields {
            marks.append((bytes.count, name.utf8.count, value.utf8.count))
            bytes += Array(name.utf8) + Array(value.utf8)
        }
        return bytes.withUnsafeMutableBufferPointer { buffer in
            let base = buffer.baseAddress
            let list = marks.map { start, nameCount, valueCount in
                nghttp2_nv(
                    name: base.map { $0 + start }, value: base.map { $0 + start + nameCount },
                    namelen: nameCount, valuelen: valueCount, flags: 0)
            }
            return body(list, list.count)
        }
    }

    fileprivate func field(_ stream: Int32, _ name: String, _ value: String, isTrailer: Bool) {
        if isTrailer {
            requests[stream, default: Request()].trailers.append("\(name): \(value)")
        } else {
            requests[stream, default: Request()].fields.append("\(name): \(value)")
        }
    }

    fileprivate func cookie(_ stream: Int32, _ value: UnsafeBufferPointer<UInt8>) {
        requests[stream, default: Request()].cookies.append(Array(value))
    }

    fileprivate func data(_ stream: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        requests[stream, default: Request()].body += Array(bytes)
    }

    fileprivate func complete(_ stream: Int32) {
        requests[stream, default: Request()].isComplete = true
        onRequest(self, stream)
    }

    fileprivate func close(_ stream: Int32, _ code: UInt32) {
        closed.append((stream, code))
        bodies[stream] = nil
    }

    fileprivate func read(
        _ stream: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ room: Int,
        _ flags: UnsafeMutablePointer<UInt32>?
    ) -> Int {
        guard let body = bodies[stream], let buffer else { return -521 }
        let count = min(room, body.bytes.count - body.offset)
        body.bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return }
            buffer.update(from: base + body.offset, count: count)
        }
        bodies[stream]?.offset += count
        if body.offset + count == body.bytes.count {
            flags?.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if !body.trailers.isEmpty {
                flags?.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                withFields(body.trailers) { nghttp2_submit_trailer(session, stream, $0, $1) }
            }
        }
        return count
    }
}

private func peer(_ userData: UnsafeMutableRawPointer?) -> ServerPeer? {
    userData.map { Unmanaged<ServerPeer>.fromOpaque($0).takeUnretainedValue() }
}

private func serverField(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ name: UnsafePointer<UInt8>?,
    _ nameCount: Int, _ value: UnsafePointer<UInt8>?, _ valueCount: Int, _: UInt8,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame else { return -902 }
    let name = String(decoding: UnsafeBufferPointer(start: name, count: nameCount), as: UTF8.self)
    let value = UnsafeBufferPointer(start: value, count: valueCount)
    if name == "cookie" { peer(userData)?.cookie(frame.pointee.hd.stream_id, value) }
    peer(userData)?.field(
        frame.pointee.hd.stream_id, name, String(decoding: value, as: UTF8.self),
        isTrailer: frame.pointee.headers.cat == NGHTTP2_HCAT_HEADERS)
    return 0
}

private func serverData(
    _: OpaquePointer?, _: UInt8, _ stream: Int32, _ bytes: UnsafePointer<UInt8>?, _ count: Int,
    _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    peer(userData)?.data(stream, UnsafeBufferPointer(start: bytes, count: count))
    return 0
}

private func serverFrame(
    _: OpaquePointer?, _ frame: UnsafePointer<nghttp2_frame>?, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    guard let frame else { return -902 }
    let header = frame.pointee.hd
    if header.type <= 1, header.flags & 1 == 1 { peer(userData)?.complete(header.stream_id) }
    return 0
}

private func serverClose(
    _: OpaquePointer?, _ stream: Int32, _ code: UInt32, _ userData: UnsafeMutableRawPointer?
) -> Int32 {
    peer(userData)?.close(stream, code)
    return 0
}

private func serverBody(
    _: OpaquePointer?, _ stream: Int32, _ buffer: UnsafeMutablePointer<UInt8>?, _ room: Int,
    _ flags: UnsafeMutablePointer<UInt32>?, _: UnsafeMutablePointer<nghttp2_data_source>?,
    _ userData: UnsafeMutableRawPointer?
) -> Int {
    peer(userData)?.read(stream, buffer, room, flags) ?? -902
}
