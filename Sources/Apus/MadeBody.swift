import Synchronization

/// A body that a program makes: pieces at hand, or a function that gives them.
///
/// An actor, so that two readers at once, which a body does not allow, at least break nothing.
actor MadeBody {
    typealias Next = @Sendable () async throws(TransportError) -> Bytes?

    /// How far the body was read.
    private enum State {
        /// Pieces at hand, the next one last.
        ///
        /// Exits: `.failing`, `.over`.
        case chunks([Bytes])
        /// A function gives the pieces.
        ///
        /// Exits: `.over`, `.failing`.
        case function(Next)
        /// Every piece was taken, and the error is what is left.
        ///
        /// Exits: none.
        case failing(TransportError)
        /// Nothing is left.
        ///
        /// Exits: none.
        case over
    }

    private var state: State
    private let failure: TransportError?
    private let makeTrailers: @Sendable () -> HTTPFields?
    private let hasEnded = Atomic(false)

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

    func nextChunk() async throws(TransportError) -> Bytes? {
        switch state {
        case .over: return nil
        case .failing(let error): throw error
        case .chunks(var chunks):
            if let chunk = chunks.popLast() {
                state = .chunks(chunks)
                return chunk
            }
            guard let failure else { return end() }
            state = .failing(failure)
            throw failure
        case .function(let next):
            do throws(TransportError) {
                while let chunk = try await next() {
                    if !chunk.isEmpty { return chunk }
                }
                return end()
            } catch {
                state = .failing(error)
                throw error
            }
        }
    }

    /// The trailers; `nil` before the end.
    nonisolated var trailers: HTTPFields? {
        hasEnded.load(ordering: .acquiring) ? makeTrailers() : nil
    }

    /// Nobody reads on: what the function holds is let go.
    nonisolated func abandon() {
        Task { await letGo() }
    }

    private func letGo() {
        state = .over
    }

    private func end() -> Bytes? {
        state = .over
        hasEnded.store(true, ordering: .releasing)
        return nil
    }
}
