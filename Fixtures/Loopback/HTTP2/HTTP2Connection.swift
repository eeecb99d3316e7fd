import CApusNghttp2

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Serves HTTP/2 on one connection: nghttp2's server session, driven by poll on one thread.
///
/// A stream's window is extended only for content that its route has read; the connection's is
/// extended on receipt, so that one stalled stream never blocks the others.
final class HTTP2Connection: HTTP2Service {
    private enum Pumped {
        /// All is sent. Poll for reading.
        case done
        /// The socket is full. Poll for writing, too.
        case blocked
        /// There is more, but reading comes first.
        case unfinished
        case failed
    }

    let channel: Channel
    let record: ConnectionRecord
    let options: LoopbackServer.Options
    private let gate: ReadingGate
    var streams: [Int32: HTTP2Stream] = [:]
    /// When a waiting stream continues, on the monotonic clock.
    private var waiting: [Int32: Int64] = [:]
    /// Set by `open`; valid until `serve` returns.
    private var session: OpaquePointer?
    private var lastActivity = Monotonic.now()
    /// The interval at which a closed gate is checked.
    private static let gateInterval = Duration.milliseconds(2)

    init(
        channel: Channel, record: ConnectionRecord, options: LoopbackServer.Options,
        gate: ReadingGate
    ) {
        self.channel = channel
        self.record = record
        self.options = options
        self.gate = gate
    }

    /// Serves until the connection is over.
    func serve() {
        guard let session = open() else { return }
        self.session = session
        run(session)
        nghttp2_session_del(session)
        self.session = nil
        for _ in streams { record.requestEnded() }
        streams = [:]
    }

    private func open() -> OpaquePointer? {
        var option: OpaquePointer?
        guard nghttp2_option_new(&option) == 0 else { return nil }
        defer { nghttp2_option_del(option) }
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_no_closed_streams(option, 1)
        guard let callbacks = HTTP2Callbacks.make() else { return nil }
        defer { nghttp2_session_callbacks_del(callbacks) }
        var session: OpaquePointer?
        // The session ends before this object does, see `serve`.
        let context = Unmanaged.passUnretained(self).toOpaque()
        guard nghttp2_session_server_new2(&session, callbacks, context, option) == 0 else {
            return nil
        }
        var settings = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue),
                value: UInt32(clamping: options.maxConcurrentStreams)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: UInt32(clamping: options.initialStreamWindow)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_FRAME_SIZE.rawValue),
                value: UInt32(clamping: options.maxFrameSize)),
        ]
        nghttp2_submit_settings(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), &settings, settings.count)
        nghttp2_session_set_local_window_size(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0,
            Int32(clamping: options.connectionWindow))
        return session
    }

    // MARK: The loop

    private func run(_ session: OpaquePointer) {
        var isAlive = receive(session)
        while isAlive {
            let pumped = pump(session)
            guard pumped != .failed else { return }
            if pumped == .done && nghttp2_session_want_read(session) == 0
                && nghttp2_session_want_write(session) == 0
            {
                break
            }
            isAlive = wait(session, pumped)
        }
        // Ends correctly as far as the peer still reads.
        nghttp2_session_terminate_session(session, NGHTTP2_NO_ERROR.rawValue)
        _ = pump(session)
        channel.sendCloseNotify()
        Socket.lingeringClose(channel.descriptor)
    }

    /// Waits for the socket or the next instant; `false` when the connection is to end.
    private func wait(_ session: OpaquePointer, _ pumped: Pumped) -> Bool {
        var events = gate.isShut ? 0 : Int32(POLLIN)
        if pumped == .blocked { events |= Int32(POLLOUT) }
        record.isIdle = streams.isEmpty
        var deadline = pumped == .unfinished ? Monotonic.now() : nextDeadline
        if gate.isShut {
            deadline = min(deadline ?? .max, Monotonic.after(HTTP2Connection.gateInterval))
        }
        let ready = Socket.wait(channel.descriptor, for: events, until: deadline)
        record.isIdle = false
        let hasEnded = ready & Int32(POLLHUP | POLLERR) != 0
        if ready & ~Int32(POLLOUT) != 0, hasEnded || !gate.isShut {
            guard receive(session) else { return false }
        }
        resumeDue(session)
        guard let timeout = options.idleTimeout, streams.isEmpty else { return true }
        return Monotonic.now() < lastActivity + Monotonic.nanoseconds(timeout)
    }

    private var nextDeadline: Int64? {
        let instant = waiting.values.min()
        guard let timeout = options.idleTimeout, streams.isEmpty else { return instant }
        return min(instant ?? .max, lastActivity + Monotonic.nanoseconds(timeout))
    }

    /// Reads from the socket; `false` when the peer has closed or breaks the protocol.
    private func receive(_ session: OpaquePointer) -> Bool {
        var isOpen = true
        if channel.input.isEmpty || channel.tls != nil {
            switch channel.fill(waiting: false) {
            case .bytes, .nothing: break
            case .end, .failed: isOpen = false
            }
        }
        let bytes = channel.input.readable
        guard !bytes.isEmpty else { return isOpen }
        lastActivity = Monotonic.now()
        let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let count = nghttp2_session_mem_recv(session, base, bytes.count)
        guard count >= 0 else { return false }
        channel.input.consume(count)
        return isOpen
    }

    /// Writes the session's output until there is none or the socket is full.
    private func pump(_ session: OpaquePointer) -> Pumped {
        for _ in 0..<16 {
            var isDrained = false
            while channel.output.count < Channel.coalescedSize {
                var data: UnsafePointer<UInt8>?
                let count = nghttp2_session_mem_send(session, &data)
                guard count >= 0 else { return .failed }
                guard count > 0, let data else {
                    isDrained = true
                    break
                }
                channel.output.append(UnsafeRawBufferPointer(start: data, count: count))
            }
            switch channel.flush(waiting: false) {
            case .done: if isDrained { return .done }
            case .blocked: return .blocked
            case .failed: return .failed
            }
        }
        return .unfinished
    }

    private func resumeDue(_ session: OpaquePointer) {
        guard !waiting.isEmpty else { return }
        let now = Monotonic.now()
        for (id, instant) in waiting where instant <= now {
            waiting[id] = nil
            guard let stream = streams[id] else { continue }
            if stream.hasResponded {
                nghttp2_session_resume_data(session, id)
            } else {
                respond(session, stream)
            }
        }
    }

    // MARK: What the session reports

    override func streamBegan(_ id: Int32) {
        streams[id] = HTTP2Stream(id: id)
        record.totals.streamsOpened(streams.count)
    }

    override func fieldReceived(
        _ id: Int32, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) {
        guard let stream = streams[id] else { return }
        stream.head.append(contentsOf: name)
        stream.head.append(0x3a)
        stream.head.append(0x20)
        stream.head.append(contentsOf: value)
        stream.head.append(0x0a)
        switch name.count {
        case 5 where FieldLines.matches(name, ":path"): stream.path = Array(value)
        case 7 where FieldLines.matches(name, ":method"):
            stream.method = String(decoding: value, as: UTF8.self)
        case 6 where FieldLines.matches(name, "expect"):
            stream.expectsContinue = FieldLines.matches(value, "100-continue")
        default: break
        }
    }

    override func dataFrameReceived(_ frame: nghttp2_frame_hd) {
        record.totals.dataFrameReceived(frame.length)
    }

    override func controlReceived(_ frame: nghttp2_frame_hd) {
        switch UInt32(frame.type) {
        case NGHTTP2_RST_STREAM.rawValue: record.totals.streamCancelled()
        case NGHTTP2_PING.rawValue:
            if frame.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0 { record.totals.pingReceived() }
        case NGHTTP2_GOAWAY.rawValue: record.totals.goAwayReceived()
        default: break
        }
    }

    override func streamEnded(_ id: Int32) {
        waiting[id] = nil
        guard let stream = streams.removeValue(forKey: id) else { return }
        if stream.reply != nil { record.requestEnded() }
        lastActivity = Monotonic.now()
    }

    override func headReceived(_ id: Int32) {
        guard let session, let stream = streams[id], stream.reply == nil else { return }
        let number = record.requestBegan()
        let context = Routes.Context(
            connection: record.id, request: number, receivedHead: { stream.head },
            tls: channel.tls)
        let target = stream.path.withUnsafeBytes { RouteTarget($0) }
        var reply = Routes.reply(to: target, context)
        if number == options.maxRequestsPerConnection, case .keep = reply.ending {
            reply.ending = .close
        }
        stream.reply = reply
        if case .ignored = reply.contentUse {
            answer(session, stream)
            return
        }
        if stream.expectsContinue && reply.sendsContinue {
            submitInformational(session, id, status: 100, [])
        }
        if case .echoed = reply.contentUse { answer(session, stream) }
    }

    override func contentReceived(_ id: Int32, _ bytes: UnsafeRawBufferPointer) {
        guard let session else { return }
        nghttp2_session_consume_connection(session, bytes.count)
        guard let stream = streams[id], let reply = stream.reply else { return }
        stream.received += bytes.count
        switch reply.contentUse {
        case .echoed:
            stream.body?.received(bytes)
            resumeEcho(session, stream)
        case .discarded, .counted:
            nghttp2_session_consume_stream(session, id, bytes.count)
        case .ignored:
            // An early response that keeps the stream continues to read; silence does not.
            if case .keep = reply.ending, !reply.isSilent {
                nghttp2_session_consume_stream(session, id, bytes.count)
            }
        }
    }

    override func requestEnded(_ id: Int32) {
        guard let session, let stream = streams[id], let reply = stream.reply else { return }
        stream.isRequestComplete = true
        switch reply.contentUse {
        case .echoed:
            stream.body?.receivedEnd()
            resumeEcho(session, stream)
        case .counted:
            stream.reply?.fields = [("content-type", "text/plain")]
            stream.reply?.body = BodySource(.bytes(Array("\(stream.received)\n".utf8)))
            answer(session, stream)
        case .discarded: answer(session, stream)
        case .ignored: break
        }
    }

    override func answerSent(_ id: Int32) {
        guard let session, let stream = streams[id], !stream.isRequestComplete else { return }
        switch stream.reply?.ending {
        case .abandonContent?: reset(session, id, NGHTTP2_NO_ERROR.rawValue)
        case .reset(let code)?: reset(session, id, code)
        default: break
        }
    }

    private func resumeEcho(_ session: OpaquePointer, _ stream: HTTP2Stream) {
        guard stream.isStarved else { return }
        stream.isStarved = false
        nghttp2_session_resume_data(session, stream.id)
    }

    // MARK: Answering

    private func answer(_ session: OpaquePointer, _ stream: HTTP2Stream) {
        guard let reply = stream.reply else { return }
        if reply.isSilent {
            if case .reset(let code) = reply.ending { reset(session, stream.id, code) }
            return
        }
        if reply.delay > 0 {
            waiting[stream.id] = Monotonic.now() + reply.delay
        } else {
            respond(session, stream)
        }
    }

    private func respond(_ session: OpaquePointer, _ stream: HTTP2Stream) {
        guard let reply = stream.reply else { return }
        stream.hasResponded = true
        for _ in 0..<reply.informational {
            submitInformational(session, stream.id, status: 103, Reply.informationalFields)
        }
        var fields: [Reply.Field] = [(":status", String(reply.status))]
        fields += reply.fields
        let hasBody = reply.body != nil && stream.method != "HEAD"
        if let length = reply.announcedLength ?? reply.body?.announcedLength {
            fields.append(("content-length", String(length)))
        }
        if hasBody {
            stream.body = reply.body
            var provider = nghttp2_data_provider()
            provider.read_callback = HTTP2Callbacks.read
            HTTP2Fields.with(fields) {
                _ = nghttp2_submit_response(session, stream.id, $0, $1, &provider)
            }
        } else {
            HTTP2Fields.with(fields) {
                _ = nghttp2_submit_response(session, stream.id, $0, $1, nil)
            }
        }
        // A broken or close-delimited response of HTTP/1 ends only the stream here.
        let isStreamOnly = reply.endsWithConnection || reply.announcedLength != nil
        if case .close = reply.ending, !isStreamOnly {
            nghttp2_submit_goaway(
                session, UInt8(NGHTTP2_FLAG_NONE.rawValue),
                nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR.rawValue, nil, 0)
        }
    }

    private func submitInformational(
        _ session: OpaquePointer, _ id: Int32, status: Int, _ fields: [Reply.Field]
    ) {
        HTTP2Fields.with([(":status", String(status))] + fields) {
            _ = nghttp2_submit_headers(
                session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, nil, $0, $1, nil)
        }
    }

    private func reset(_ session: OpaquePointer, _ id: Int32, _ code: UInt32) {
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), id, code)
    }

    override func readContent(
        _ id: Int32, into room: UnsafeMutableRawBufferPointer, _ flags: inout UInt32
    ) -> Int {
        let deferred = Int(NGHTTP2_ERR_DEFERRED.rawValue)
        guard let session, let stream = streams[id], let reply = stream.reply else {
            return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
        }
        let step = stream.body?.next(into: room, now: Monotonic.now()) ?? .silent
        switch step {
        case .bytes(let count):
            contentSent(session, stream, reply, count)
            return count
        case .last(let count):
            contentSent(session, stream, reply, count)
            flags |= NGHTTP2_DATA_FLAG_EOF.rawValue
            guard !reply.trailers.isEmpty else { return count }
            flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
            HTTP2Fields.with(reply.trailers) { _ = nghttp2_submit_trailer(session, id, $0, $1) }
            return count
        case .wait(let instant): waiting[id] = instant
        case .starved: stream.isStarved = true
        case .silent: break
        case .broken:
            if case .reset(let code) = reply.ending {
                reset(session, id, code)
            } else {
                reset(session, id, NGHTTP2_INTERNAL_ERROR.rawValue)
            }
        }
        return deferred
    }

    private func contentSent(
        _ session: OpaquePointer, _ stream: HTTP2Stream, _ reply: Reply, _ count: Int
    ) {
        if case .echoed = reply.contentUse {
            nghttp2_session_consume_stream(session, stream.id, count)
        } else if reply.body?.isEndless == true {
            record.sentEndless(count, on: stream.id)
        }
    }
}
