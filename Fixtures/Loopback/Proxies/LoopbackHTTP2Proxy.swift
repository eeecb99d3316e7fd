import CApusNghttp2

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// An `https` proxy with HTTP/2 only: CONNECT by concurrent streams, to loopback targets only (RFC
/// 9113, section 8.5).
package final class LoopbackHTTP2Proxy: Sendable {
    package struct Options: Sendable {
        /// Answer 407 to clients that do not send these.
        package var credentials: LoopbackCredentials?
        package var certificate = "leaf"
        /// What ALPN may choose, in order of preference.
        package var protocols = ["h2"]
        /// Answer every CONNECT with this status.
        package var refusal: Int?
        package var refusalBody = "refused\n"
        /// Reset every CONNECT's stream with this code.
        package var resetCode: UInt32?
        /// Send GOAWAY after each refusal.
        package var goesAwayAfterRefusal = false
        /// The receive window of each stream, in bytes.
        package var streamWindow = 65_535
        /// Reset a tunnel's stream after so many bytes from its origin.
        package var resetsAfter: Int?
        /// Read the request and never answer.
        package var isSilent = false

        package init() {}
    }

    package let port: UInt16
    private let listener: Listener
    private let record: ProxyRecord<String>

    package init(_ options: Options = .init()) throws {
        let record = ProxyRecord<String>()
        var settings = TLSAcceptor.Settings(
            certificate: FixturePaths.certificate(options.certificate),
            protocols: options.protocols)
        settings.refusesOtherProtocols = true
        let acceptor = try TLSAcceptor(settings)
        listener = try Listener(name: "proxy")
        port = listener.port
        self.record = record
        try listener.start(counting: record, over: acceptor) { client in
            HTTP2ProxyConnection(client: client, options: options, record: record).serve()
        }
    }

    deinit {
        stop()
    }

    package var counters: LoopbackProxyCounters { record.counters }

    /// The heads of all requests: "METHOD authority", then one field per line.
    package var requests: [String] { record.requests }

    /// Closes everything and joins every thread; a second call does nothing.
    package func stop() {
        listener.stop()
    }
}

/// Serves one client: a session, and a socket for each tunnel, on one thread.
private final class HTTP2ProxyConnection: HTTP2Service {
    /// One CONNECT.
    final class Tunnel {
        var fields: [(name: String, value: String)] = []
        var origin: Channel?
        /// The response when there is no tunnel.
        var answer: [UInt8] = []
        var hasClientEnded = false
        var isOriginShut = false
        var hasOriginEnded = false
        var isDeferred = false
        var received = 0

        func value(of name: String) -> String? { fields.first { $0.name == name }?.value }
    }

    /// The bytes that may wait in one tunnel before its origin is not read any more.
    private static let limit = 256 * 1024

    private let client: Channel
    private let options: LoopbackHTTP2Proxy.Options
    private let record: ProxyRecord<String>
    private var tunnels: [Int32: Tunnel] = [:]
    /// Set by `serve`; valid until it returns.
    private var session: OpaquePointer?

    init(client: Channel, options: LoopbackHTTP2Proxy.Options, record: ProxyRecord<String>) {
        self.client = client
        self.options = options
        self.record = record
    }

    func serve() {
        guard let callbacks = HTTP2Callbacks.make() else { return }
        defer { nghttp2_session_callbacks_del(callbacks) }
        // The session ends before this object does.
        let context = Unmanaged.passUnretained(self).toOpaque()
        guard nghttp2_session_server_new(&session, callbacks, context) == 0, let session else {
            return
        }
        var settings = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: UInt32(options.streamWindow))
        ]
        nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), &settings, 1)
        while step(session) {}
        nghttp2_session_del(session)
        self.session = nil
        for tunnel in tunnels.values { close(tunnel) }
        client.sendCloseNotify()
    }

    /// Reads, answers and writes once; `false` when the connection has ended.
    private func step(_ session: OpaquePointer) -> Bool {
        guard receive(session) else { return false }
        for (id, tunnel) in tunnels { move(session, id, tunnel) }
        guard pump(session), client.flush(waiting: false) != .failed else { return false }
        if nghttp2_session_want_read(session) == 0, nghttp2_session_want_write(session) == 0,
            client.output.isEmpty
        {
            return false
        }
        // There is more to frame than one step framed.
        if nghttp2_session_want_write(session) != 0, !client.hasPendingOutput { return true }
        return wait()
    }

    private func receive(_ session: OpaquePointer) -> Bool {
        var isOpen = true
        switch client.fill(waiting: false) {
        case .bytes, .nothing: break
        case .end, .failed: isOpen = false
        }
        let bytes = client.input.readable
        if !bytes.isEmpty {
            let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            let count = nghttp2_session_mem_recv(session, base, bytes.count)
            guard count >= 0 else { return false }
            client.input.consume(count)
        }
        return isOpen
    }

    /// Moves bytes between a stream's queues and its origin's socket.
    private func move(_ session: OpaquePointer, _ id: Int32, _ tunnel: Tunnel) {
        guard let origin = tunnel.origin else { return }
        if !tunnel.hasOriginEnded, origin.input.count < Self.limit {
            let before = origin.input.count
            switch origin.fill(waiting: false) {
            case .bytes, .nothing: break
            case .end, .failed: tunnel.hasOriginEnded = true
            }
            tunnel.received += origin.input.count - before
            if let bound = options.resetsAfter, tunnel.received >= bound {
                let flag = UInt8(NGHTTP2_FLAG_NONE.rawValue)
                nghttp2_submit_rst_stream(session, flag, id, NGHTTP2_INTERNAL_ERROR.rawValue)
            }
        }
        if origin.flush(waiting: false) == .failed { tunnel.hasOriginEnded = true }
        if tunnel.hasClientEnded, !tunnel.isOriginShut, !origin.hasPendingOutput {
            tunnel.isOriginShut = true
            shutdown(origin.descriptor, Int32(SHUT_WR))
        }
        if tunnel.isDeferred, !origin.input.isEmpty || tunnel.hasOriginEnded {
            tunnel.isDeferred = false
            nghttp2_session_resume_data(session, id)
        }
    }

    private func pump(_ session: OpaquePointer) -> Bool {
        while client.output.count < Channel.coalescedSize {
            var data: UnsafePointer<UInt8>?
            let count = nghttp2_session_mem_send(session, &data)
            guard count >= 0 else { return false }
            guard count > 0, let data else { break }
            client.output.append(UnsafeRawBufferPointer(start: data, count: count))
        }
        return true
    }

    private func wait() -> Bool {
        var entries = [pollfd(fd: client.descriptor, events: Int16(POLLIN), revents: 0)]
        if client.hasPendingOutput { entries[0].events |= Int16(POLLOUT) }
        for tunnel in tunnels.values {
            guard let origin = tunnel.origin else { continue }
            var events = 0
            if !tunnel.hasOriginEnded, origin.input.count < Self.limit { events |= Int(POLLIN) }
            if origin.hasPendingOutput { events |= Int(POLLOUT) }
            guard events != 0 else { continue }
            entries.append(pollfd(fd: origin.descriptor, events: Int16(events), revents: 0))
        }
        return Socket.wait(&entries, entries.count, until: nil) > 0
            && Int32(entries[0].revents) & Int32(POLLHUP) == 0
    }

    private func close(_ tunnel: Tunnel) {
        if let origin = tunnel.origin { Glibc.close(origin.descriptor) }
        tunnel.origin = nil
    }

    // MARK: What the session reports

    override func streamBegan(_ id: Int32) {
        tunnels[id] = Tunnel()
    }

    override func fieldReceived(
        _ id: Int32, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) {
        tunnels[id]?.fields.append(
            (String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
    }

    override func headReceived(_ id: Int32) {
        guard let session, let tunnel = tunnels[id] else { return }
        let authority = tunnel.value(of: ":authority") ?? ""
        let method = tunnel.value(of: ":method") ?? ""
        record.append(
            "\(method) \(authority)\n"
                + tunnel.fields.map { "\($0.name): \($0.value)\n" }.joined())
        if options.isSilent { return }
        if let code = options.resetCode {
            nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, code)
            return
        }
        let login = tunnel.value(of: "proxy-authorization")
        if let wanted = options.credentials, login != wanted.basic {
            return refuse(session, id, tunnel, 407)
        }
        if let status = options.refusal { return refuse(session, id, tunnel, status) }
        guard method == "CONNECT", let colon = authority.lastIndex(of: ":"),
            let port = UInt16(authority[authority.index(after: colon)...]),
            let address = SocketAddress.resolve(String(authority[..<colon]), port: port)
        else { return refuse(session, id, tunnel, 403) }
        guard let descriptor = address.connect() else { return refuse(session, id, tunnel, 502) }
        tunnel.origin = Channel(descriptor: descriptor, meter: record.meter())
        record.count { $0.established += 1 }
        respond(session, id, [(":status", "200")])
    }

    override func contentReceived(_ id: Int32, _ bytes: UnsafeRawBufferPointer) {
        tunnels[id]?.origin?.output.append(bytes)
    }

    override func requestEnded(_ id: Int32) {
        tunnels[id]?.hasClientEnded = true
    }

    override func streamEnded(_ id: Int32) {
        if let tunnel = tunnels.removeValue(forKey: id) { close(tunnel) }
    }

    override func readContent(
        _ id: Int32, into room: UnsafeMutableRawBufferPointer, _ flags: inout UInt32
    ) -> Int {
        guard let tunnel = tunnels[id] else {
            return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        guard let origin = tunnel.origin else {
            let count = min(room.count, tunnel.answer.count)
            room.copyBytes(from: tunnel.answer[..<count])
            tunnel.answer.removeFirst(count)
            if tunnel.answer.isEmpty { flags |= NGHTTP2_DATA_FLAG_EOF.rawValue }
            return count
        }
        let count = min(room.count, origin.input.count)
        room.copyMemory(from: UnsafeRawBufferPointer(rebasing: origin.input.readable[..<count]))
        origin.input.consume(count)
        if count == 0, !tunnel.hasOriginEnded {
            tunnel.isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        if origin.input.isEmpty, tunnel.hasOriginEnded { flags |= NGHTTP2_DATA_FLAG_EOF.rawValue }
        return count
    }

    // MARK: Answering

    private func refuse(
        _ session: OpaquePointer, _ id: Int32, _ tunnel: Tunnel, _ status: Int
    ) {
        record.count { $0.refused += 1 }
        tunnel.answer = Array(options.refusalBody.utf8)
        var fields: [Reply.Field] = [(":status", String(status))]
        if status == 407 { fields.append(("proxy-authenticate", "Basic realm=\"loopback\"")) }
        respond(session, id, fields)
        guard options.goesAwayAfterRefusal else { return }
        nghttp2_submit_goaway(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, NGHTTP2_NO_ERROR.rawValue, nil, 0)
    }

    private func respond(_ session: OpaquePointer, _ id: Int32, _ fields: [Reply.Field]) {
        var provider = nghttp2_data_provider()
        provider.read_callback = HTTP2Callbacks.read
        HTTP2Fields.with(fields) {
            _ = nghttp2_submit_response(session, id, $0, $1, &provider)
        }
    }
}
