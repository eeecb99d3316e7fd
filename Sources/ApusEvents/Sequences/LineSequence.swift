public import Apus

/// The lines of a sequence of bytes; `lines(maxLength:)` creates it.
///
/// It adds no task and reads from its base only while a line is requested.
public struct LineSequence<Base: AsyncSequence, Failure: Error>: AsyncSequence
where Base.Element == Bytes {
    /// A line without its end.
    public typealias Element = Bytes

    private let base: Base
    private let scanner: LineScanner
    private let routes: ErrorRoutes<Base.Failure, Failure>

    init(_ base: Base, _ scanner: LineScanner, _ routes: ErrorRoutes<Base.Failure, Failure>) {
        self.base = base
        self.scanner = scanner
        self.routes = routes
    }

    /// Returns an iterator that begins at the next byte of the base.
    public func makeAsyncIterator() -> Iterator {
        Iterator(base: base.makeAsyncIterator(), scanner: scanner, routes: routes)
    }

    /// An iterator over lines.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var base: Base.AsyncIterator
        fileprivate var scanner: LineScanner
        fileprivate let routes: ErrorRoutes<Base.Failure, Failure>

        /// The next line; `nil` at the end.
        ///
        /// - Throws: `Failure`, after all lines before the failure.
        public mutating func next() async throws(Failure) -> Bytes? {
            try await next(isolation: #isolation)
        }

        /// As `next()`, from the isolation of the caller.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(Failure) -> Bytes? {
            while true {
                if let line = try scanned() { return line }
                let piece: Bytes?
                do throws(Base.Failure) {
                    piece = try await base.next(isolation: actor)
                } catch {
                    throw routes.ofBase(error)
                }
                guard let piece else {
                    scanner.streamEnded()
                    return try scanned()
                }
                scanner.bytesReceived(piece)
            }
        }

        @inline(__always)
        fileprivate mutating func scanned() throws(Failure) -> Bytes? {
            do throws(LengthExceeded) {
                return try scanner.nextLine()
            } catch {
                throw routes.ofLength(error)
            }
        }
    }
}

extension LineSequence: Sendable where Base: Sendable {}
extension LineSequence.Iterator: Sendable where Base.AsyncIterator: Sendable {}

extension LineSequence.Iterator where Base == ResponseBody, Failure == TransportError {
    /// The next line if it is complete before the deadline.
    ///
    /// It allows other work while a body pauses: `next(until: .now + .seconds(15))`. It needs no
    /// task. What has been received of a line is kept for the next read.
    ///
    /// - Parameter deadline: the instant at which waiting ends.
    /// - Throws: `TransportError`, as `next()`; never because of the deadline.
    public mutating func next(
        until deadline: ContinuousClock.Instant
    ) async throws(TransportError) -> TimedArrival<Bytes> {
        while true {
            if let line = try scanned() { return .element(line) }
            switch try await base.next(until: deadline) {
            case .bytes(let piece): scanner.bytesReceived(piece)
            case .nothing: return .nothing
            case .end:
                scanner.streamEnded()
                return try scanned().map { .element($0) } ?? .end
            }
        }
    }
}
