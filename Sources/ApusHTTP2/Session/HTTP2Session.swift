package import ApusCore
import CApusNghttp2
package import HTTPTypes

/// One HTTP/2 client connection: requests and the peer's bytes in, events and our bytes out.
///
/// Confined to one thread at a time. Inputs are `bytesReceived`, `streamEnded` and `timePassed`;
/// outputs are `nextEvent()` and `nextOutput(into:limit:)`. Taking output makes events too
/// (`.bodyDrained`, `.closed` and the end of a stream that was reset here), so a caller takes
/// output and then events until there is neither.
///
/// After a thrown `HTTP2Error` of the connection the events report the outcome of each stream, and
/// `nextOutput` still holds a GOAWAY to send.
package final class HTTP2Session {
    /// The most that nghttp2 is given at once, so that an honest burst never reaches its bound of
    /// 1,000 unanswered frames (16 KiB hold 963 PINGs).
    static let inputSlice = 16 * 1024
    /// DATA of one stream arriving in one read is joined up to this many bytes.
    static let maxJoinedBody = 32 * 1024
    /// Answers taken out of nghttp2 and not yet taken from us; beyond, its own bound ends the
    /// flood.
    static let maxReadyAnswers = 64 * 1024
    /// The most that a DATA frame carries, even if the peer takes more: no other stream waits for
    /// more, and a frame's header is a small part of it.
    package static let maxDataFrame = 64 * 1024
    /// The most fields, as MAX_HEADER_LIST_SIZE counts, that a request may have.
    static let maxRequestSection = 256 * 1024
    /// Frames of ours that wait within nghttp2, DATA apart; more means that the peer reads nothing
    /// while streams are opened and cancelled.
    static let maxQueuedFrames = 4096

    /// Resets of ours after which a PING asks whether the peer has read them.
    static let resetsBeforePing = 100
    /// Resets of ours that the peer may not have read; beyond, it should get no new streams:
    /// streams opened and reset faster than it reads are a flood (CVE-2023-44487).
    package static let maxUnconfirmedResets = 200

    let limits: EngineTuning.Limits
    let tuning: EngineTuning.HTTP2
    /// What windows may grow by, beside those of other sessions; `nil` is no bound.
    let budget: (any WindowBudget)?
    /// Owned: made by `init`, freed by `deinit`, and never given away.
    let session: OpaquePointer

    /// Every stream that was submitted and is not closed, sent or not.
    @exclusivity(unchecked) var streams: [HTTP2StreamID: HTTP2Stream] = [:]
    /// The stream found last: frames come in runs.
    @exclusivity(unchecked) var lastStream: HTTP2Stream?
    @exclusivity(unchecked) var events = EventQueue()
    /// Frames taken out of nghttp2 and not yet taken by the caller; they go out first.
    @exclusivity(unchecked) var ready = OutgoingBytes()
    /// Where gathering into `ready` stops, looked at by the DATA callback.
    @exclusivity(unchecked) var readyLimit = 0
    /// Body bytes that were framed since `nextSentBody()` was last empty; one entry for each run
    /// of frames of one stream.
    @exclusivity(unchecked) var sentBodies: [SentBody] = []
    @exclusivity(unchecked) package internal(set) var census = FrameCensus()
    /// Streams whose bodies have ended without a byte left to send; empty once all output was
    /// taken.
    @exclusivity(unchecked) var bareEnds: [HTTP2StreamID] = []
    @exclusivity(unchecked) var smallBodies = SmallBodies()
    @exclusivity(unchecked) var measurement = WindowMeasurement()
    /// The instant of the last `timePassed`.
    @exclusivity(unchecked) package internal(set) var now: Deadline?
    @exclusivity(unchecked) var section: FieldSection
    @exclusivity(unchecked) var request = RequestSection()
    @exclusivity(unchecked) var state = HTTP2SessionState.open
    @exclusivity(unchecked) var peerGoAway = PeerGoAway.none
    @exclusivity(unchecked) var settings = SettingsExchange.sent
    /// The number carried by our PING that is not answered yet.
    @exclusivity(unchecked) var pingInFlight: UInt64?
    @exclusivity(unchecked) var pingCount: UInt64 = 0
    /// Resets of ours that went out, without an answer to a later PING.
    @exclusivity(unchecked) var unconfirmedResets = 0
    /// Those of them that went out before the PING in flight.
    @exclusivity(unchecked) var resetsAsked = 0
    /// How many bytes the transport has taken in all, set before it is given more.
    ///
    /// The peer cannot have read what the transport was given since and has not taken.
    @exclusivity(unchecked) package var takenBytes: UInt64 = 0
    /// Streams that may be open at once: the tuning's bound or the peer's, the lower.
    @exclusivity(unchecked) package internal(set) var maxStreams: Int

    /// Opens a session and queues its preface, SETTINGS and the connection's window.
    package init(
        _ tuning: EngineTuning.HTTP2, limits: EngineTuning.Limits,
        budget: (any WindowBudget)? = nil
    ) throws(HTTP2Error) {
        guard let session = Nghttp2.newSession() else {
            throw HTTP2Error(.internalFailure(NGHTTP2_ERR_NOMEM.rawValue))
        }
        self.session = session
        self.tuning = tuning
        self.limits = limits
        self.budget = budget
        section = FieldSection(limits: limits)
        maxStreams = min(tuning.maxStreamsPerConnection, Nghttp2.assumedMaxStreams)
        // The pointer is unowned: nghttp2 lives within this object and calls back only while one of
        // its methods runs.
        nghttp2_session_set_user_data(session, Unmanaged.passUnretained(self).toOpaque())
        try queuePreface()
    }

    deinit {
        for stream in streams.values { returnGrowth(of: stream) }
        nghttp2_session_del(session)
    }

    /// What ended the connection; `nil` while it goes on, or when the peer's bytes are at an end.
    package var failure: HTTP2Error? {
        if case .failed(let error) = state { error } else { nil }
    }

    /// Whether the peer has sent a GOAWAY.
    package var isGoAwayReceived: Bool { peerGoAway != .none }
    /// Whether a GOAWAY asked for calm (ENHANCE_YOUR_CALM).
    package var isCalmDemanded: Bool { peerGoAway == .calmDemanded }
    /// Whether the peer's SETTINGS have come.
    package var hasPeerSettings: Bool { settings != .sent }
    /// Whether the peer has acknowledged ours (RFC 9113, section 6.5.3).
    package var areSettingsAcknowledged: Bool { settings == .acknowledged }

    /// Streams submitted and not closed yet.
    package var openStreams: Int { streams.count }

    /// Whether the peer's limit lets another stream out at once.
    package var hasRoom: Bool { streams.count < maxStreams }

    /// Whether the stream was submitted and is not closed on both sides.
    package func isOpen(_ id: HTTP2StreamID) -> Bool { stream(id) != nil }

    /// Whether the stream's HEADERS were framed, so that they may reach the peer.
    package func isSent(_ id: HTTP2StreamID) -> Bool { stream(id)?.isSent ?? true }

    /// Whether no new stream can be opened, for good.
    package var isDraining: Bool {
        guard case .open = state else { return true }
        return isGoAwayReceived || areStreamsExhausted
    }

    /// Whether every stream number was used.
    var areStreamsExhausted: Bool {
        nghttp2_session_get_next_stream_id(session) > UInt32(Int32.max)
    }

    /// Whether the peer ends so many streams before their answers that it should get no new ones.
    package var isLosingStreams: Bool { census.lostStreams > FrameCensus.maxLostStreams }

    /// Whether so many resets of ours went out that the peer may not have met yet.
    package var hasManyUnconfirmedResets: Bool { unconfirmedResets > Self.maxUnconfirmedResets }

    /// What the peer's bytes make the session hold.
    package struct Load: Sendable, Hashable {
        /// Answers to its frames that were not yet taken.
        package var answerBytes: Int
        /// Frames of ours that wait within nghttp2.
        package var queuedFrames: Int
        /// Fields of the present section that are kept, as MAX_HEADER_LIST_SIZE counts.
        package var keptFieldBytes: Int
        /// The same of the present or last section, kept or not.
        package var decodedFieldBytes: Int
    }

    package var load: Load {
        Load(
            answerBytes: ready.count,
            queuedFrames: nghttp2_session_get_outbound_queue_size(session),
            keptFieldBytes: section.keptByteCount, decodedFieldBytes: section.byteCount)
    }

    /// Whether a PING of ours is not answered yet.
    package var isPingInFlight: Bool { pingInFlight != nil }
    /// How many PINGs were sent, and how many of them were answered.
    package var pingCounts: (sent: Int, answered: Int) {
        let sent = Int(pingCount)
        return (sent, pingInFlight == nil ? sent : sent - 1)
    }

    /// The next event, in order.
    package func nextEvent() -> HTTP2Event? { events.next() }

    private func queuePreface() throws(HTTP2Error) {
        let entries = [
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_ENABLE_PUSH.rawValue), value: 0),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue),
                value: UInt32(clamping: tuning.streamWindow)),
            nghttp2_settings_entry(
                settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue),
                value: UInt32(clamping: limits.headBytes)),
        ]
        try check(nghttp2_submit_settings(session, 0, entries, entries.count))
        let window = Int32(clamping: tuning.connectionWindow)
        try check(nghttp2_session_set_local_window_size(session, 0, 0, window))
    }

    /// Throws nghttp2's own failure.
    func check(_ code: Int32) throws(HTTP2Error) {
        guard code < 0 else { return }
        throw HTTP2Error(.internalFailure(code))
    }
}

// MARK: Commands

extension HTTP2Session {
    /// Opens a stream for a request; without a body END_STREAM goes with its HEADERS.
    ///
    /// The caller keeps to `maxStreams`; what is submitted beyond it waits until a slot is free.
    ///
    /// - Parameter length: how long the body will be, where that is known.
    package func submit(
        _ request: HTTPRequest, hasBody: Bool, length: UInt64? = nil
    ) throws(HTTP2Error) -> HTTP2StreamID {
        if isDraining { throw refusal() }
        do throws(InvalidRequest) {
            try self.request.fill(request, length: length)
        } catch {
            throw HTTP2Error(.invalidRequest(error))
        }
        try checkSection(request)
        var provider = nghttp2_data_provider()
        provider.read_callback = Nghttp2.readCallback
        let result = self.request.withFields { fields, count in
            hasBody
                ? nghttp2_submit_request(session, nil, fields, count, &provider, nil)
                : nghttp2_submit_request(session, nil, fields, count, nil, nil)
        }
        if result == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE.rawValue { throw refusal() }
        try check(result)
        let stream = HTTP2Stream(
            id: result, isDuplex: request.method == .connect, window: tuning.streamWindow)
        if !hasBody { stream.outgoing.finish(trailers: nil) }
        streams[result] = stream
        return result
    }

    /// Ends a stream that is no longer wanted; nothing but `.closed` follows.
    ///
    /// All later bytes of it are dropped, and the connection's window stays whole.
    package func reset(_ id: HTTP2StreamID, code: UInt32) {
        guard state.isRunning, let stream = stream(id) else { return }
        stream.progress = .settled
        stream.outgoing.discard()
        _ = nghttp2_submit_rst_stream(session, 0, id, code)
        if stream.isSent {
            census.streamReset()
        } else {
            // nghttp2 drops the HEADERS from its queue; the stream is never sent.
            forget(id)
            events.append(.closed(id))
        }
        boundQueue()
    }

    /// Asks by a PING whether the peer has read our resets, once for each hundred.
    func confirmResets() {
        if unconfirmedResets >= Self.resetsBeforePing { ping() }
    }

    /// Ends the connection to a peer that does not read while requests are opened and cancelled.
    ///
    /// What is cancelled before it leaves stays in nghttp2's queue until the queue moves.
    private func boundQueue() {
        guard nghttp2_session_get_outbound_queue_size(session) > Self.maxQueuedFrames else {
            return
        }
        fail(HTTP2Error(.abuse(.unreadFrames)), code: HTTP2ErrorCode.enhanceYourCalm)
    }

    /// Sends a PING, unless one is on its way already.
    package func ping() {
        guard state.isRunning, pingInFlight == nil else { return }
        pingCount += 1
        let number = pingCount
        let code = withUnsafeBytes(of: number.bigEndian) {
            nghttp2_submit_ping(session, 0, $0.assumingMemoryBound(to: UInt8.self).baseAddress)
        }
        if code == 0 { pingInFlight = number }
    }

    /// Takes no new streams and says so (GOAWAY, NO_ERROR); open ones go on to their end.
    package func shutDown() {
        guard case .open = state else { return }
        state = .shuttingDown
        _ = nghttp2_submit_goaway(session, 0, 0, HTTP2ErrorCode.noError, nil, 0)
    }

    /// Ends the connection with a GOAWAY of this code; every open stream fails.
    package func goAway(code: UInt32) {
        guard state.isRunning else { return }
        fail(HTTP2Error(.ended(code: code)), code: code)
    }

    /// Continues the numbering of streams at `next`, an odd number above those in use.
    package func skipStreamIDs(to next: HTTP2StreamID) {
        _ = nghttp2_session_set_next_stream_id(session, next)
    }

    private func refusal() -> HTTP2Error {
        HTTP2Error(areStreamsExhausted ? .streamsExhausted : .closing)
    }

    private func checkSection(_ request: HTTPRequest) throws(HTTP2Error) {
        try checkSize(.fields)
        guard request.extendedConnectProtocol != nil else { return }
        guard
            nghttp2_session_get_remote_settings(
                session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1
        else {
            throw HTTP2Error(
                .invalidRequest(
                    InvalidRequest(
                        field: "protocol", reason: "is not offered by the peer (RFC 8441)")))
        }
    }
}

extension HTTP2Session {
    /// Checks the section in `request` against what the peer takes, and against our own bound.
    func checkSize(_ part: HTTP2Error.RequestPart) throws(HTTP2Error) {
        let peer = nghttp2_session_get_remote_settings(
            session, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE)
        let most = min(Int(peer), Self.maxRequestSection)
        guard request.listSize <= most else {
            throw HTTP2Error(.tooLarge, .size(part, request.listSize, most: most))
        }
    }
}

// MARK: Streams

extension HTTP2Session {
    /// The open stream of this number.
    func stream(_ id: HTTP2StreamID) -> HTTP2Stream? {
        if let lastStream, lastStream.id == id { return lastStream }
        lastStream = streams[id]
        return lastStream
    }

    func forget(_ id: HTTP2StreamID) {
        if let stream = streams.removeValue(forKey: id) { returnGrowth(of: stream) }
        if lastStream?.id == id { lastStream = nil }
        endGivingWay()
    }

    /// Settles a stream as failed; `.closed` follows when it is gone on both sides.
    ///
    /// A complete response cannot fail any more. But a caller that writes to a duplex after the
    /// peer's end gets the failure.
    func settle(_ stream: HTTP2Stream, _ failure: StreamFailure) {
        let isWritten = stream.isDuplex && !stream.outgoing.isDone
        guard stream.progress != .settled || isWritten else { return }
        stream.progress = .settled
        stream.outgoing.discard()
        events.append(.failed(stream.id, failure))
    }

    /// Fails a stream for what the peer sent on it, and resets it.
    func refuse(_ stream: HTTP2Stream, _ failure: StreamFailure, code: UInt32) {
        if stream.progress != .settled { census.streamLost() }
        settle(stream, failure)
        _ = nghttp2_submit_rst_stream(session, 0, stream.id, code)
        census.streamReset()
    }

    /// Settles and closes every open stream.
    ///
    /// - Parameter taken: what the transport has taken in all, and takes no more of; `nil` when
    ///   that is not known.
    func endAllStreams(taken: UInt64? = nil) {
        for stream in streamsInOrder() {
            let hasLeft = stream.isSent && stream.takenBefore != taken
            end(stream, hasLeft ? .connectionLost : .notSent)
        }
    }

    /// Settles and closes a stream now; later reports of nghttp2 on it are ignored.
    func end(_ stream: HTTP2Stream, _ failure: StreamFailure) {
        settle(stream, failure)
        forget(stream.id)
        events.append(.closed(stream.id))
    }

    /// Settles and closes the streams whose HEADERS have not left, but for the first `kept` of
    /// them: nghttp2 drops the HEADERS from its queue, and the streams are never sent.
    package func endUnsent(beyond kept: Int) {
        for stream in streamsInOrder().filter({ !$0.isSent }).dropFirst(max(0, kept)) {
            _ = nghttp2_submit_rst_stream(session, 0, stream.id, HTTP2ErrorCode.cancel)
            end(stream, .notSent)
        }
    }

    /// The open streams by their numbers, so that what happens to all of them is reported in order.
    func streamsInOrder() -> [HTTP2Stream] {
        streams.values.sorted { $0.id < $1.id }
    }

    /// Ends the connection: nghttp2 is not called any more, and a GOAWAY says why.
    func fail(_ error: HTTP2Error, code: UInt32) {
        guard state.isRunning else { return }
        state = .failed(error)
        ready.append(Bytes(Self.goAwayFrame(code: code)))
        endAllStreams()
    }

    /// A GOAWAY frame by hand (RFC 9113, section 6.8): the peer opened no streams, so the last is
    /// 0.
    private static func goAwayFrame(code: UInt32) -> [UInt8] {
        var frame: [UInt8] = [0, 0, 8, FrameType.goAway, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        withUnsafeBytes(of: code.bigEndian) { frame.append(contentsOf: $0) }
        return frame
    }
}
