import ApusSocket

/// A body made by a program: pieces in memory, or a function that returns them.
///
/// One task reads at a time, as with the body of an exchange.
/// Unchecked, because what is under "guarded" is touched only with the lock held.
final class MadeBody: @unchecked Sendable {
    typealias Next = @Sendable () async throws(TransportError) -> Bytes?

    /// The progress of reading the body.
    private enum State {
        /// Pieces in memory, the next one last.
        ///
        /// Exits: `.failing`, `.over`.
        case chunks([Bytes])
        /// A function returns the pieces.
        ///
        /// Exits: `.over`, `.failing`.
        case function(Next)
        /// Each further read throws the error.
        ///
        /// Exits: none.
        case failing(TransportError)
        /// The body has ended.
        ///
        /// Exits: none.
        case over
    }

    /// What a read does next.
    private enum Step {
        case take(ResponseBody.Arrival)
        case call(Next)
        /// A call is under way.
        case wait
    }

    private let failure: TransportError?
    private let makeTrailers: @Sendable () -> HTTPFields?

    private let lock = Lock()
    // Guarded.
    private var state: State
    private var isRead = false
    /// Whether the function has been called and its result was not taken.
    private var isCalled = false
    /// The task of that call, which may outlive the read that began it.
    private var call: Task<Void, Never>?
    /// The result of that call, until a read takes it.
    private var result: Result<Bytes?, TransportError>?
    /// The read that waits for the call or for its deadline.
    private var waiter: CheckedContinuation<Void, Never>?

    init(_ chunks: [Bytes], trailers: HTTPFields?, failure: TransportError?) {
        state = .chunks(chunks.filter { !$0.isEmpty }.reversed())
        self.failure = failure
        makeTrailers = { trailers }
    }

    init(_ next: @escaping Next, trailers: @escaping @Sendable () -> HTTPFields?) {
        state = .function(next)
        failure = nil
        makeTrailers = trailers
    }

    /// Cancels a call that no read waits for.
    deinit {
        call?.cancel()
    }

    /// The next piece; `nil` when the body has ended.
    func next() async throws(TransportError) -> Bytes? {
        while true {
            switch try await read(until: nil) {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .nothing: continue
            }
        }
    }

    /// The next piece if it comes before the deadline: a call of the function then continues, and
    /// the next read gets its result.
    func next(
        until deadline: ContinuousClock.Instant
    ) async throws(TransportError) -> ResponseBody.Arrival {
        try await read(until: deadline)
    }

    /// The trailers; `nil` before the end.
    var trailers: HTTPFields? {
        let hasEnded = lock.withLock { if case .over = state { true } else { false } }
        return hasEnded ? makeTrailers() : nil
    }

    /// Ends the body, unless it has ended: every further read throws `cancelled`, also one that
    /// waits.
    func cancel() {
        let (old, call, waiter) = lock.withLock {
            () -> (State?, Task<Void, Never>?, CheckedContinuation<Void, Never>?) in
            switch state {
            case .chunks, .function: break
            case .failing, .over: return (nil, nil, nil)
            }
            defer { self.waiter = nil }
            // What the function holds is released without the lock.
            let old = state
            state = .failing(
                TransportError(
                    .cancelled, phase: .body, message: "the response was cancelled",
                    replay: .responseStarted))
            return (old, self.call, self.waiter)
        }
        call?.cancel()
        waiter?.resume()
        withExtendedLifetime(old) {}
    }

    // MARK: Reading

    private func read(
        until deadline: ContinuousClock.Instant?
    ) async throws(TransportError) -> ResponseBody.Arrival {
        try beginReading()
        defer { lock.withLock { isRead = false } }
        while true {
            switch try nextStep() {
            case .take(let arrival): return arrival
            case .call(let function): begin(function)
            case .wait:
                if let deadline, deadline <= .now { return .nothing }
                await waitForCall(until: deadline)
            }
        }
    }

    private func beginReading() throws(TransportError) {
        let isRefused = lock.withLock {
            defer { isRead = true }
            return isRead
        }
        guard isRefused else { return }
        throw TransportError(
            InvalidRequest(field: "body", reason: "is read by two tasks at once"), phase: .body)
    }

    private func nextStep() throws(TransportError) -> Step {
        try lock.withLock { () throws(TransportError) -> Step in
            switch state {
            case .over: return .take(.end)
            case .failing(let error): throw error
            case .chunks(var chunks):
                if let chunk = chunks.popLast() {
                    state = .chunks(chunks)
                    return .take(.bytes(chunk))
                }
                return .take(try end(failure))
            case .function(let next):
                guard let result else {
                    defer { isCalled = true }
                    return isCalled ? .wait : .call(next)
                }
                self.result = nil
                call = nil
                isCalled = false
                switch result {
                case .success(let chunk?) where !chunk.isEmpty: return .take(.bytes(chunk))
                case .success(.some):
                    isCalled = true
                    return .call(next)
                case .success(nil): return .take(try end(nil))
                case .failure(let error): return .take(try end(error))
                }
            }
        }
    }

    /// With the lock held: every piece was read.
    private func end(_ failure: TransportError?) throws(TransportError) -> ResponseBody.Arrival {
        guard let failure else {
            state = .over
            return .end
        }
        state = .failing(failure)
        throw failure
    }

    // MARK: Calling the function

    private func begin(_ next: @escaping Next) {
        let task = Task { [weak self] in
            let result: Result<Bytes?, TransportError>
            do throws(TransportError) {
                result = .success(try await next())
            } catch {
                result = .failure(error)
            }
            self?.ended(result)
        }
        let isWanted = lock.withLock {
            guard case .function = state else { return false }
            call = task
            return true
        }
        if !isWanted { task.cancel() }
    }

    private func ended(_ result: Result<Bytes?, TransportError>) {
        lock.withLock { self.result = result }
        wake()
    }

    private func wake() {
        let waiter = lock.withLock {
            defer { self.waiter = nil }
            return self.waiter
        }
        waiter?.resume()
    }

    /// Waits for the end of the call or for the deadline; cancelling the read cancels the call.
    private func waitForCall(until deadline: ContinuousClock.Instant?) async {
        let timer = deadline.map { deadline in
            Task { [weak self] in
                try await Task.sleep(until: deadline, clock: .continuous)
                self?.wake()
            }
        }
        defer { timer?.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = lock.withLock {
                    guard case .function = state, result == nil,
                        deadline.map({ $0 > .now }) ?? true
                    else { return true }
                    waiter = continuation
                    return false
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            lock.withLock { call }?.cancel()
        }
    }
}
