import Apus
import Loopback
import Testing

/// A request in a given state, its engine, and a peer that continues on a signal.
struct EndingScene: Sendable {
    /// Where the request is.
    enum State: String, CaseIterable, Sendable {
        case waiting, sendingTheBody, awaitingTheHead, readingTheBody

        /// Where an error finds it.
        var phase: TransportError.Phase {
            switch self {
            case .waiting: .pool
            case .sendingTheBody: .send
            case .awaitingTheHead: .head
            case .readingTheBody: .body
            }
        }
    }

    let variant: ProtocolVariant
    let engine: TransportEngine
    let events = Chronicle()
    let threads: LoopThreads
    /// Its result is "half", in the end.
    let request: Task<String, any Error>
    /// Who holds the place that the request waits for.
    let holder: Task<String, any Error>?
    private let peer: ScriptedPeer
    private let upload: AsyncThrowingStream<Bytes, any Error>.Continuation

    /// Returns when the state is reached.
    init(_ variant: ProtocolVariant, _ state: State) async throws {
        self.variant = variant
        try FixturePaths.ensureCertificates()
        var tuning = relaxedTuning
        tuning.pool.maxConnectionsPerHost = 1
        tuning.http2.maxStreamsPerConnection = 1
        tuning.http2.pingAfter = nil
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        engine = try TransportEngine(tuning, observer: events)
        threads = await LoopThreads(of: engine)
        peer = try ScriptedPeer([Self.script(variant, state)])
        let (body, upload) = AsyncThrowingStream<Bytes, any Error>.makeStream()
        self.upload = upload
        let client = ExecutorClient(engine, versions: variant.versions)
        let url = Self.url(variant, peer)
        let send: @Sendable () async throws -> String = {
            let request = try HTTPRequest.post(url)
            let response =
                state == .sendingTheBody
                ? try await client.send(request, body: .oneShot { body })
                : try await client.send(request)
            return String(try await response.body.collect(upTo: 100))
        }
        let first = Task { try await send() }
        upload.yield(Bytes("x"))
        #expect(await peer.signal("asked"))
        guard state == .waiting else {
            (request, holder) = (first, nil)
            return
        }
        let second = Task { try await send() }
        (request, holder) = (second, first)
        try await eventually("it waits") { [engine] in engine.snapshot().waiting == 1 }
    }

    /// Its number in the engine's events.
    var exchange: UInt64 { holder == nil ? 1 : 2 }

    /// Whether the engine's one connection takes no more.
    var isDraining: Bool { engine.snapshot().connectionEntries.first?.state == .draining }

    /// Another request.
    func send() async throws -> Response {
        try await ExecutorClient(engine, versions: variant.versions).send(
            .get(Self.url(variant, peer)))
    }

    /// What keeps the request from its end is over.
    func goOn() {
        upload.finish()
        peer.release("go on")
    }

    /// Whether the events came in this order.
    func order(of words: String...) -> Bool {
        let all = events.words
        let places = words.compactMap { all.firstIndex(of: $0) }
        return places.count == words.count && places == places.sorted()
    }

    /// The engine has ended.
    func expectNothingLeft() async {
        #expect(threads.alive == 0)
        #expect(descriptors(connectedTo: peer.port) == 0)
        expectEmpty(engine)
        upload.finish()
        if let holder { _ = await holder.result }
        peer.stop()
    }

    private static func url(_ variant: ProtocolVariant, _ peer: ScriptedPeer) -> String {
        "\(variant.isTLS ? "https" : "http")://localhost:\(peer.port)/"
    }

    /// Signals "asked" in the state, and answers "half" after "go on".
    private static func script(_ variant: ProtocolVariant, _ state: State) -> [ScriptedPeer.Step] {
        var steps: [ScriptedPeer.Step] =
            variant.isTLS
            ? [
                .startTLS(
                    FixturePaths.certificate("leaf"), alpn: [variant.isHTTP2 ? "h2" : "http/1.1"])
            ] : []
        let (head, half): ([UInt8], ([UInt8], [UInt8]))
        if variant.isHTTP2 {
            typealias Frames = HTTP2Frames
            steps += [.send(Frames.settings()), .request(1)]
            head = Frames.head(1)
            half = (
                Frames.data(1, Array("ha".utf8)), Frames.data(1, Array("lf".utf8), end: true)
            )
        } else {
            steps += [.expectHead]
            head = Array("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n".utf8)
            half = (Array("ha".utf8), Array("lf".utf8))
        }
        if state == .readingTheBody { steps += [.send(head + half.0)] }
        if state == .sendingTheBody {
            steps += [variant.isHTTP2 ? .expectData(1, 1) : .expectBytes(6)]
        }
        steps += [.signal("asked"), .waitForSignal("go on")]
        if state == .sendingTheBody {
            // Its end: of the stream, or the last chunk.
            steps += [variant.isHTTP2 ? .expectEndOfStream : .expectBytes(5)]
        }
        return steps + [.send(state == .readingTheBody ? half.1 : head + half.0 + half.1)]
            + [.readUntilEnd]
    }
}

extension ScriptedPeer.Step {
    /// Reads until DATA has come that ends its stream.
    fileprivate static let expectEndOfStream = Self.expect { bytes in
        let frames = HTTP2Frames.frames(Array(bytes))
        let isThere = frames.contains { $0.type == HTTP2Frames.dataType && $0.flags & 1 == 1 }
        return isThere ? bytes.count : nil
    }
}
