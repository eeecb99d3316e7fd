import ApusCore
import ApusSocket

/// Brings a streamed body from its producer to its connection, a bounded number of bytes ahead.
///
/// Unchecked, because what stands under "guarded" is touched only with the lock held.
final class UploadPump: @unchecked Sendable {
    /// What the connection finds.
    enum Next {
        case bytes(Bytes)
        /// The producer is not that far; `LiveConnection.uploadReady` will be called.
        case later
        case end
        case failed(String)
    }

    /// What goes out at once of a piece, however large the producer's pieces are.
    private static let maxPiece = 256 * 1024

    private let maxBuffered: Int
    private let lock = Lock()
    // Guarded.
    private var chunks = ChunkQueue()
    /// What is left of a piece that is going out.
    private var rest = Bytes.empty
    private var end: Next?
    private var producer: UnsafeContinuation<Void, Never>?
    private var isStopped = false
    private var task: Task<Void, Never>?

    init(maxBuffered: Int) {
        self.maxBuffered = maxBuffered
    }

    /// Starts the producer; `ready` is called whenever the connection may find something new.
    func start(_ content: RequestBody.Content, ready: @escaping @Sendable () -> Void) {
        let task = Task {
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
                end = .failed("the body's producer failed: \(error)")
            }
            lock.withLock { self.end = end }
            ready()
        }
        lock.withLock { self.task = task }
    }

    private func pump(_ stream: RequestBody.Stream, _ ready: @Sendable () -> Void) async throws {
        for try await chunk in stream {
            guard !Task.isCancelled else { throw CancellationError() }
            if !chunk.isEmpty { await add(chunk, ready) }
        }
    }

    /// What goes out next.
    func next() -> Next {
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
    func stop() {
        let (task, producer) = lock.withLock {
            isStopped = true
            chunks.removeAll()
            rest = .empty
            defer { unsafe self.producer = nil }
            return unsafe (self.task, self.producer)
        }
        task?.cancel()
        unsafe producer?.resume()
    }

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
