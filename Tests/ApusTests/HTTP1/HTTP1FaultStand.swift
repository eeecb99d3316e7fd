import Apus
import ApusSocket
import Loopback
import Testing

/// A peer whose first connection follows a script and whose later ones behave, and an engine.
final class FaultStand: Sendable {
    let peer: ScriptedPeer
    let engine: TransportEngine
    let closes = CloseLog()

    /// A whole exchange of a peer that behaves.
    static let goodExchange: [ScriptedPeer.Step] = [
        .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"),
    ]

    init(_ scripts: [[ScriptedPeer.Step]], tuning: EngineTuning = relaxedTuning) throws {
        peer = try ScriptedPeer(scripts, otherwise: FaultStand.goodExchange + [.readUntilEnd])
        engine = try TransportEngine(tuning, observer: closes)
    }

    func request(_ method: HTTPRequest.Method = .get) throws -> HTTPRequest {
        try HTTPRequest(method, url: "http://127.0.0.1:\(peer.port)/")
    }

    /// Sends on the engine's own thread, so that a budget is not spent waiting for other tests.
    func sendOnLoop(
        _ method: HTTPRequest.Method, body: RequestBody, _ options: RequestOptions
    ) async throws {
        let request = try request(method)
        let task = Task(executorPreference: engine.taskExecutor) { [engine] in
            _ = try await engine.send(request, body: body, options: options)
        }
        try await task.value
    }

    /// Checks that the engine is as good as new: the next exchange works, on this connection.
    func expectGoodExchange(onConnection index: Int) async throws {
        let response = try await engine.send(request())
        #expect(String(try await response.body.collect(upTo: 100)) == "good")
        #expect(peer.connectionCount == index + 1)
        let snapshot = engine.snapshot()
        #expect(snapshot.connections == 1)
        #expect(snapshot.idle == 1)
        #expect(snapshot.exchanges == 0)
        #expect(snapshot.waiting == 0)
    }

    func close() async {
        await engine.shutdown()
        #expect(descriptors(connectedTo: peer.port) == 0)
        peer.stop()
    }
}

/// Runs a test's body with such a stand and closes it whatever happens.
func withFaultStand(
    _ scripts: [[ScriptedPeer.Step]], tuning: EngineTuning = relaxedTuning,
    _ body: (FaultStand) async throws -> Void
) async throws {
    let stand = try FaultStand(scripts, tuning: tuning)
    do {
        try await body(stand)
    } catch {
        await stand.close()
        throw error
    }
    await stand.close()
}

/// Why an engine's connections were closed, in order.
///
/// Unchecked, because `reasons` is touched only with the lock held.
final class CloseLog: EngineObserver, @unchecked Sendable {
    /// All events of the engine.
    let chronicle = Chronicle()
    private let lock = Lock()
    private var reasons: [CloseReason] = []

    var all: [CloseReason] { lock.withLock { reasons } }

    func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
        chronicle.observe(event, at: instant)
        guard case .connectionClosed(_, _, let reason, _) = event else { return }
        lock.withLock { reasons.append(reason) }
    }
}

/// A number that a producer adds to and a test reads.
///
/// Unchecked, because `total` is touched only with the lock held.
final class Counter: @unchecked Sendable {
    private let lock = Lock()
    private var total = 0

    var value: Int { lock.withLock { total } }

    func add(_ count: Int) {
        lock.withLock { total += count }
    }
}

/// A producer of equal pieces that counts the bytes it was asked for.
struct Counted: AsyncSequence, Sendable {
    typealias Element = Bytes
    typealias Failure = any Error
    let pieces: Int
    let piece: Bytes
    let count: Counter

    struct Iterator: AsyncIteratorProtocol {
        var left: Int
        let piece: Bytes
        let count: Counter

        mutating func next() async throws -> Bytes? {
            guard left > 0 else { return nil }
            left -= 1
            count.add(piece.count)
            return piece
        }
    }

    func makeAsyncIterator() -> Iterator { Iterator(left: pieces, piece: piece, count: count) }
}
