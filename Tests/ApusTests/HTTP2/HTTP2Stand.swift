import Apus
import LoopFixtures
import Loopback
import Testing

/// A scripted HTTP/2 peer and an engine with prior knowledge of it, for one test.
final class HTTP2Stand: Sendable {
    let peer: ScriptedPeer
    let engine: TransportEngine
    let story = Story()

    init(_ scripts: [[ScriptedPeer.Step]], tuning: EngineTuning) throws {
        peer = try ScriptedPeer(scripts)
        // A slow machine keeps no budget: those that a test is not about are off.
        var tuning = tuning
        let usual = EngineTuning.default
        if tuning.http2.pingAfter == usual.http2.pingAfter { tuning.http2.pingAfter = nil }
        if tuning.http2.suspectAfter == usual.http2.suspectAfter {
            tuning.http2.suspectAfter = .seconds(300)
            tuning.http2.deadAfter = max(tuning.http2.deadAfter, .seconds(300))
        }
        if tuning.http2.settingsTimeout == usual.http2.settingsTimeout {
            tuning.http2.settingsTimeout = nil
        }
        if tuning.http2.writeTimeout == usual.http2.writeTimeout {
            tuning.http2.writeTimeout = nil
        }
        if tuning.pool.acquireTimeout == usual.pool.acquireTimeout {
            tuning.pool.acquireTimeout = nil
        }
        if tuning.pool.hedgeDelay == usual.pool.hedgeDelay { tuning.pool.hedgeDelay = nil }
        if tuning.dial == usual.dial {
            tuning.dial.tcpTimeout = nil
            tuning.dial.connectTimeout = nil
        }
        engine = try TransportEngine(tuning, observer: story)
    }

    var client: ExecutorClient { ExecutorClient(engine, versions: .http2Only) }
    var url: String { "http://127.0.0.1:\(peer.port)/" }

    /// The answer's body to a GET.
    func get(_ options: RequestOptions = .init()) async throws -> String {
        let response = try await client.send(.get(url), options: options)
        return String(try await response.body.collect(upTo: 1 << 20))
    }

    /// The answer's body to a POST.
    func post(_ body: RequestBody) async throws -> String {
        let response = try await client.send(.post(url), body: body)
        return String(try await response.body.collect(upTo: 1 << 20))
    }

    /// Waits for a script's signal; the time only guards against hanging.
    func signal(_ name: String) async -> Bool {
        await peer.signal(name, timeout: .seconds(60))
    }

    /// Waits until what was queued for the engine's loop before this call has been done.
    func turnOfLoop() async {
        await Task(executorPreference: engine.taskExecutor) {}.value
    }

    /// The next request is answered: whatever happened before left the engine in order.
    func works(_ location: SourceLocation = #_sourceLocation) async throws {
        let answer = try await get()
        #expect(answer == "ok", sourceLocation: location)
    }

    /// The frames that connection `index` has received.
    func frames(_ index: Int = 0) -> [HTTP2Frames.Frame] {
        HTTP2Frames.frames(peer.transcript(index).received)
    }

    /// Checks that the pool holds so many connections, none of them in use.
    func settles(connections: Int) async throws {
        try await eventually("\(connections) idle connections") {
            let snapshot = engine.snapshot()
            return snapshot.connections == connections && snapshot.exchanges == 0
                && snapshot.waiting == 0
        }
    }

    func close() async {
        await engine.shutdown()
        #expect(engine.snapshot().connections == 0)
        #expect(descriptors(connectedTo: peer.port) == 0)
        peer.stop()
    }
}

/// A short answer's body.
func text(of response: Response) async throws -> String {
    String(try await response.body.collect(upTo: 1 << 16))
}

/// The events of an engine.
final class Story: EngineObserver {
    private let events = Guarded<[EngineEvent]>([])

    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        events.withLock { $0.append(event) }
    }

    /// Why connections were closed, in order.
    var closes: [CloseReason] {
        events.withLock {
            $0.compactMap {
                if case .connectionClosed(_, _, let reason, _) = $0 { return reason }
                return nil
            }
        }
    }

    /// How often an exchange was handed to a connection.
    var starts: Int {
        events.withLock {
            $0.count {
                if case .exchangeStarted = $0 { return true }
                return false
            }
        }
    }

    /// The errors after which requests were sent again.
    var replays: [TransportError] {
        events.withLock {
            $0.compactMap {
                if case .exchangeReplayed(_, let error) = $0 { return error }
                return nil
            }
        }
    }
}

/// Runs a test's body against a scripted peer and closes everything whatever happens.
func withHTTP2(
    _ scripts: [ScriptedPeer.Step]..., tuning: EngineTuning = .default,
    _ body: (HTTP2Stand) async throws -> Void
) async throws {
    try await withHTTP2(scripts: scripts, tuning: tuning, body)
}

/// As above, with the scripts made elsewhere.
func withHTTP2(
    scripts: [[ScriptedPeer.Step]], tuning: EngineTuning = .default,
    _ body: (HTTP2Stand) async throws -> Void
) async throws {
    let stand = try HTTP2Stand(scripts, tuning: tuning)
    do {
        try await body(stand)
    } catch {
        await stand.close()
        throw error
    }
    await stand.close()
}
