import Apus
import Loopback

/// An await of a dial, or of the exchange after it, at which a request is held and cancelled.
enum CancelPlace: String, CaseIterable, Sendable {
    case name, connect, proxy, tls, slot, head, body

    var words: String {
        switch self {
        case .name: "the name's addresses"
        case .connect: "the TCP connection"
        case .proxy: "the proxy's answer"
        case .tls: "the TLS handshake"
        case .slot: "a stream of a connection"
        case .head: "the response's head"
        case .body: "the response's body"
        }
    }
}

/// The duration of one cancel.
struct CancelRound: Sendable {
    /// From the cancel of the caller's task to the error that it threw.
    let caller: Duration
    /// From the engine's shutdown to its end.
    let engine: Duration
}

/// A peer that stalls at one await, and the requests that reach it.
struct CancelGround: Sendable {
    private let place: CancelPlace
    private let peer: ScriptedPeer
    private let full: FullListener

    init(_ place: CancelPlace) throws {
        self.place = place
        full = try FullListener()
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        let script: [ScriptedPeer.Step] =
            switch place {
            case .name, .connect: []
            case .tls: [.expectBytes(5), .readUntilEnd]
            case .proxy, .slot, .head: [.expectHead, .readUntilEnd]
            case .body: [.expectHead, .sendText(head + "first"), .readUntilEnd]
            }
        peer = try ScriptedPeer(everyConnection: script)
    }

    func stop() { peer.stop() }

    /// Sends one request with its own engine and cancels it at the await.
    func round(_ index: Int) async throws -> CancelRound {
        let (arrivals, arrival) = AsyncStream<Void>.makeStream()
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 1
        if place == .connect { tuning.dial.beforeConnect = SocketHook { _, _ in arrival.yield() } }
        let resolver = SilentResolver(asked: arrival)
        let engine = try TransportEngine(tuning, resolver: place == .name ? resolver : nil)
        let holder = place == .slot ? request(with: engine, arrival) : nil
        if holder != nil { try await peerIsReached(index) }
        let task = request(with: engine, arrival)
        switch place {
        case .name, .connect, .body: for await _ in arrivals { break }
        case .proxy, .tls, .head: try await peerIsReached(index)
        case .slot:
            while engine.snapshot().waiting == 0 { try await Task.sleep(for: .microseconds(200)) }
        }
        // The report may come shortly before the await itself.
        try await Task.sleep(for: .milliseconds(1))
        let clock = ContinuousClock()
        let cancelled = clock.now
        task.cancel()
        let thrown = try await task.value
        let ending = clock.now
        await engine.shutdown(drain: .zero)
        let ended = clock.now
        _ = await holder?.result
        return CancelRound(
            caller: cancelled.duration(to: thrown), engine: ending.duration(to: ended))
    }

    /// Sends a request that reaches the await, and returns when it threw its cancellation.
    private func request(
        with engine: TransportEngine, _ arrival: AsyncStream<Void>.Continuation
    ) -> Task<ContinuousClock.Instant, any Error> {
        Task {
            let proxy =
                place == .proxy
                ? try ProxySetting(parsing: "http://127.0.0.1:\(peer.port)") : .direct
            let client = ExecutorClient(engine, proxy: proxy)
            let request = try HTTPRequest.get(url)
            do throws(TransportError) {
                for try await _ in try await client.send(request).body { arrival.yield() }
            } catch {
                let thrown = ContinuousClock().now
                guard error.isCancelled else { throw error }
                return thrown
            }
            throw ToolError("a held request completed")
        }
    }

    private var url: String {
        switch place {
        case .name: "http://name.test/"
        case .connect: "http://127.0.0.1:\(full.port)/"
        case .proxy: "https://name.test/"
        case .tls: "https://127.0.0.1:\(peer.port)/"
        case .slot, .head, .body: "http://127.0.0.1:\(peer.port)/"
        }
    }

    private func peerIsReached(_ index: Int) async throws {
        guard await peer.connection(index, { $0.steps == 1 }) else {
            throw ToolError("the peer was never reached")
        }
    }
}

/// Reports that it was called, and never answers.
private struct SilentResolver: NameResolver {
    let asked: AsyncStream<Void>.Continuation

    func addresses(of host: String) async throws(NameError) -> [String] {
        asked.yield()
        try? await Task.sleep(for: .seconds(3600))
        throw .notFound("no answer")
    }
}
