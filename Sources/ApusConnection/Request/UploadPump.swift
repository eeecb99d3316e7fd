package import ApusCore
import ApusSocket

/// Brings a streamed body from its producer to its connection, a bounded number of bytes ahead.
///
/// The producer's task is made with the pump and waits for `start`: so it has the task-local values
/// and the priority of the task that made the pump, wherever `start` is called.
///
/// Unchecked, because what is under "guarded" is touched only with the lock held.
package final class UploadPump: @unchecked Sendable {
    /// What the connection finds.
    package enum Next {
        case bytes(Bytes)
        /// The producer is not that far; `LiveConnection.uploadReady` will be called.
        case later
        case end
        case failed(any Error)
    }

    /// What goes out at once of a piece, however large the producer's pieces are.
    private static let maxPiece = 256 * 1024

    /// How far the producer is.
    private enum Stage {
        /// Not wanted yet.
        ///
        /// Exits: `.waiting`, `.running`, `.stopped`.
        case made
        /// Not wanted yet, and its task waits.
        ///
        /// Exits: `.running`, `.stopped`.
        case waiting(UnsafeContinuation<Void, Never>)
        /// Wanted.
        ///
        /// Exits: `.stopped`.
        case running
        /// Not wanted any more.
        ///
        /// No exits.
        case stopped
    }

    private let maxBuffered: Int
    private let lock = Lock()
    // Guarded.
    private var stage = Stage.made
    /// Called whenever the connection may find something new; `nil` before the start.
    private var ready: (@Sendable () -> Void)?
    private var chunks = ChunkQueue()
    /// What is left of a piece that is going out.
    private var rest = Bytes.empty
    private var end: Next?
    private var producer: UnsafeContinuation<Void, Never>?
    private var task: Task<Void, Never>?

    /// Makes the producer's task, which waits.
    package init(_ content: RequestBody.Content, maxBuffered: Int) {
        self.maxBuffered = maxBuffered
        let task = Task {
            guard let ready = await waitForStart() else { return }
            await run(content, ready)
        }
        lock.withLock { self.task = task }
    }

    /// Lets the producer run; `ready` is called whenever the connection may find something new.
    package func start(ready: @escaping @Sendable () -> Void) {
        let waiting = lock.withLock { () -> UnsafeContinuation<Void, Never>? in
            let before = stage
            if case .stopped = before { return nil }
            stage = .running
            self.ready = ready
            if case .waiting(let continuation) = before { return unsafe continuation }
            return nil
        }
        unsafe waiting?.resume()
    }

    /// What to call when something is new; `nil` when the producer was never wanted.
    ///
    /// One that was wanted is made even if the try is over by now: the caller's function is called
    /// once for each try.
    private func waitForStart() async -> (@Sendable () -> Void)? {
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let goesOn = lock.withLock {
                guard case .made = stage else { return true }
                stage = .waiting(continuation)
                return false
            }
            if goesOn { unsafe continuation.resume() }
        }
        return lock.withLock { ready }
    }

    private func run(_ content: RequestBody.Content, _ ready: @Sendable () -> Void) async {
        let end: Next
        do {
            switch content {
            case .segments(let segments):
                for segment in segments where !isStopping { await add(segment, ready) }
            case .stream(let make):
                try await pump(make(), ready)
            case .file(let path):
                let reader = try FileReader(path: path)
                while !isStopping, let chunk = try reader.nextChunk() {
                    await add(chunk, ready)
                }
            }
            end = .end
        } catch {
            end = .failed(error)
        }
        lock.withLock { self.end = end }
        ready()
    }

    private func pump(_ producer: some BodyProducer, _ ready: @Sendable () -> Void) async throws {
        for try await chunk in producer.pieces {
            guard !Task.isCancelled else { throw CancellationError() }
            if !chunk.isEmpty { await add(chunk, ready) }
        }
    }

    /// What a producer's error is called in a message.
    package static func explain(_ error: any Error) -> String {
        "the body's producer failed: \(error)"
    }

    /// What goes out next.
    package func next() -> Next {
        let (next, producer) = lock.withLock { () -> (Next, UnsafeContinuation<Void, Never>?) in
            if rest.isEmpty { rest = chunks.popFirst() ?? .empty }
            guard !rest.isEmpty else { return (end ?? .later, nil) }
            let piece = rest.prefix(UploadPump.maxPiece)
            rest = rest.dropFirst(piece.count)
            guard rest.count + chunks.byteCount < maxBuffered else { return (.bytes(piece), nil) }
            defer { unsafe self.producer = nil }
            return unsafe (.bytes(piece), self.producer)
        }
        unsafe producer?.resume()
        return next
    }

    /// Nothing more is wanted: the producer is cancelled and never waits again.
    package func stop() {
        typealias Waiter = UnsafeContinuation<Void, Never>
        let (task, waiters) = lock.withLock { () -> (Task<Void, Never>?, [Waiter]) in
            var waiters: [Waiter] = []
            if case .waiting(let waiting) = stage { unsafe waiters.append(waiting) }
            if let producer = unsafe producer { unsafe waiters.append(producer) }
            stage = .stopped
            unsafe self.producer = nil
            chunks.removeAll()
            rest = .empty
            return unsafe (self.task, waiters)
        }
        task?.cancel()
        for waiter in unsafe waiters { unsafe waiter.resume() }
    }

    /// A producer that was never wanted is let go.
    func stopUnlessStarted() {
        let isStarted = lock.withLock { if case .running = stage { true } else { false } }
        if !isStarted { stop() }
    }

    /// With the lock held.
    private var isStopped: Bool { if case .stopped = stage { true } else { false } }

    private var isStopping: Bool { lock.withLock { isStopped } }

    private func add(_ chunk: Bytes, _ ready: @Sendable () -> Void) async {
        let isFull = lock.withLock {
            guard !isStopped else { return false }
            chunks.append(chunk)
            return rest.count + chunks.byteCount >= maxBuffered
        }
        ready()
        guard isFull else { return }
        await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
            let goesOn = lock.withLock {
                guard !isStopped, rest.count + chunks.byteCount >= maxBuffered else { return true }
                unsafe producer = continuation
                return false
            }
            if goesOn { unsafe continuation.resume() }
        }
    }
}
