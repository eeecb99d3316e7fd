import Apus
import ApusWebSocket
import LoopFixtures

/// The bytes below a web socket, played by a test.
final class FakeStream: WebSocketStream {
    private struct State {
        var incoming: [Result<Bytes?, TransportError>] = []
        var reader: CheckedContinuation<Void, Never>?
        var written: [UInt8] = []
        var writes = 0
        var isBlocked = false
        var writers: [CheckedContinuation<Void, Never>] = []
        var hasFinished = false
        var isClosed = false
        var readsWaiting = 0
        var peerHasEnded = false
    }

    private let state = Guarded(State())

    var written: [UInt8] { state.withLock { $0.written } }
    var writes: Int { state.withLock { $0.writes } }
    var isClosed: Bool { state.withLock { $0.isClosed } }
    var hasFinished: Bool { state.withLock { $0.hasFinished } }
    var isReadWaiting: Bool { state.withLock { $0.reader != nil } }
    var writersWaiting: Int { state.withLock { $0.writers.count } }

    // MARK: The test's side

    func arrive(_ bytes: [UInt8]) { add(.success(Bytes(bytes))) }
    func end() { add(.success(nil)) }
    func fail(_ kind: TransportError.Kind) {
        add(.failure(TransportError(kind, phase: .body, message: "made to fail")))
    }

    private func add(_ result: Result<Bytes?, TransportError>) {
        state.withLock { $0.incoming.append(result) }
        wakeReader()
    }

    /// Makes writes wait, as when the peer reads nothing.
    func block() { state.withLock { $0.isBlocked = true } }

    func unblock() {
        let writers = state.withLock { state in
            state.isBlocked = false
            defer { state.writers = [] }
            return state.writers
        }
        for writer in writers { writer.resume() }
    }

    private func wakeReader() {
        let reader = state.withLock { state in
            defer { state.reader = nil }
            return state.reader
        }
        reader?.resume()
    }

    // MARK: The web socket's side

    func read() async throws(TransportError) -> Bytes? {
        while true {
            let result = state.withLock { state -> Result<Bytes?, TransportError>? in
                if state.isClosed { return .failure(Self.cancelled) }
                if state.peerHasEnded { return .success(nil) }
                guard !state.incoming.isEmpty else { return nil }
                // A failure stays.
                if case .failure = state.incoming[0] { return state.incoming[0] }
                let result = state.incoming.removeFirst()
                if case .success(nil) = result { state.peerHasEnded = true }
                return result
            }
            if let result { return try result.get() }
            if Task.isCancelled { throw Self.cancelled }
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state in
                        guard state.incoming.isEmpty, !state.isClosed, !Task.isCancelled else {
                            return true
                        }
                        state.reader = continuation
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                wakeReader()
            }
        }
    }

    func write(_ bytes: Bytes) async throws(TransportError) {
        if Task.isCancelled { throw Self.cancelled }
        let mustWait = state.withLock { state in
            state.writes += 1
            state.written += bytes
            return state.isBlocked && !state.isClosed
        }
        if mustWait {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let isReady = state.withLock { state in
                        guard state.isBlocked, !state.isClosed, !Task.isCancelled else {
                            return true
                        }
                        state.writers.append(continuation)
                        return false
                    }
                    if isReady { continuation.resume() }
                }
            } onCancel: {
                unblock()
            }
        }
        if isClosed || Task.isCancelled { throw Self.cancelled }
    }

    func finish() async throws(TransportError) {
        state.withLock { $0.hasFinished = true }
    }

    func close() {
        state.withLock { $0.isClosed = true }
        wakeReader()
        unblock()
    }

    private static let cancelled = TransportError(
        .cancelled, phase: .body, message: "the stream was closed")
}

/// A clock that a test moves.
final class ManualClock: Sendable {
    private struct Sleeper {
        var id: UInt64
        var until: Duration
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var now = Duration.zero
        var lastID: UInt64 = 0
        var sleepers: [Sleeper] = []
    }

    private let state = Guarded(State())

    var sleepers: Int { state.withLock { $0.sleepers.count } }

    /// The same clock as a web socket takes it.
    var time: Timekeeper {
        Timekeeper(
            now: { self.state.withLock { $0.now } }, sleep: { try await self.sleep($0) })
    }

    func advance(by duration: Duration) {
        let due = state.withLock { state in
            state.now += duration
            let now = state.now
            defer { state.sleepers.removeAll { $0.until <= now } }
            return state.sleepers.filter { $0.until <= now }
        }
        for sleeper in due { sleeper.continuation.resume() }
    }

    private func sleep(_ duration: Duration) async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let mustWait = state.withLock { state in
                    guard !Task.isCancelled, duration > .zero else { return false }
                    state.sleepers.append(
                        Sleeper(
                            id: id, until: state.now + duration, continuation: continuation))
                    return true
                }
                if !mustWait { continuation.resume() }
            }
        } onCancel: {
            let sleeper = state.withLock { state -> Sleeper? in
                guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                    return nil
                }
                return state.sleepers.remove(at: index)
            }
            sleeper?.continuation.resume(throwing: CancellationError())
        }
    }
}
