import Synchronization

/// A body made by a program: pieces in memory, or a function that returns them.
///
/// One task reads at a time, as with the body of an exchange.
actor MadeBody {
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
        /// Every piece was read; each further read throws the error.
        ///
        /// Exits: none.
        case failing(TransportError)
        /// The body has ended.
        ///
        /// Exits: none.
        case over
    }

    private var state: State
    private let failure: TransportError?
    private let makeTrailers: @Sendable () -> HTTPFields?
    private let hasEnded = Atomic(false)
    private var isRead = false

    /// A call of the function that may outlive the read that waits for it; there is one at a time.
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

    func nextChunk() async throws(TransportError) -> Bytes? {
        try beginReading()
        defer { isRead = false }
        guard case .function(let next) = state else { return try takeAtHand() }
        do throws(TransportError) {
            while let chunk = try await piece(of: next) {
                if !chunk.isEmpty { return chunk }
            }
            return end()
        } catch {
            state = .failing(error)
            throw error
        }
    }

    /// As `nextChunk()`, but only until the deadline: the function's call then continues, and the
    /// next read gets its result.
    func nextChunk(
        until deadline: ContinuousClock.Instant
    ) async throws(TransportError) -> ResponseBody.Arrival {
        try beginReading()
        defer { isRead = false }
        guard case .function(let next) = state else {
            return try takeAtHand().map { .bytes($0) } ?? .end
        }
        do throws(TransportError) {
            while true {
                if call == nil { begin(next) }
                await waitForCall(until: deadline)
                guard let result = takeResult() else { return .nothing }
                guard let chunk = try result.get() else {
                    _ = end()
                    return .end
                }
                if !chunk.isEmpty { return .bytes(chunk) }
            }
        } catch {
            state = .failing(error)
            throw error
        }
    }

    private func beginReading() throws(TransportError) {
        guard !isRead else {
            throw TransportError(
                InvalidRequest(field: "body", reason: "is read by two tasks at once"), phase: .body)
        }
        isRead = true
    }

    /// The next piece in memory.
    private func takeAtHand() throws(TransportError) -> Bytes? {
        switch state {
        case .over, .function: return nil
        case .failing(let error): throw error
        case .chunks(var chunks):
            if let chunk = chunks.popLast() {
                state = .chunks(chunks)
                return chunk
            }
            guard let failure else { return end() }
            state = .failing(failure)
            throw failure
        }
    }

    // MARK: Calling the function

    /// The next result of the function: of a new call, or of one that outlived its read.
    private func piece(of next: Next) async throws(TransportError) -> Bytes? {
        guard call != nil else { return try await next() }
        await waitForCall(until: nil)
        guard let result = takeResult() else { return try await next() }
        return try result.get()
    }

    private func begin(_ next: @escaping Next) {
        call = Task { [weak self] in
            let result: Result<Bytes?, TransportError>
            do throws(TransportError) {
                result = .success(try await next())
            } catch {
                result = .failure(error)
            }
            await self?.ended(result)
        }
    }

    private func ended(_ result: Result<Bytes?, TransportError>) {
        self.result = result
        wake()
    }

    private func wake() {
        waiter?.resume()
        waiter = nil
    }

    private func takeResult() -> Result<Bytes?, TransportError>? {
        guard let result else { return nil }
        self.result = nil
        call = nil
        return result
    }

    /// Waits for the end of the call or for the deadline; cancelling the read cancels the call.
    private func waitForCall(until deadline: ContinuousClock.Instant?) async {
        let timer = deadline.map { deadline in
            Task {
                try await Task.sleep(until: deadline, clock: .continuous)
                wake()
            }
        }
        defer { timer?.cancel() }
        let call = call
        while result == nil, deadline.map({ ContinuousClock.now < $0 }) ?? true {
            await withTaskCancellationHandler {
                await withCheckedContinuation { waiter = $0 }
            } onCancel: {
                call?.cancel()
            }
        }
    }

    /// The trailers; `nil` before the end.
    nonisolated var trailers: HTTPFields? {
        hasEnded.load(ordering: .acquiring) ? makeTrailers() : nil
    }

    /// Abandons the body and releases what the function holds.
    nonisolated func abandon() {
        Task { await letGo() }
    }

    private func letGo() {
        state = .over
        call?.cancel()
    }

    private func end() -> Bytes? {
        state = .over
        hasEnded.store(true, ordering: .releasing)
        return nil
    }
}
