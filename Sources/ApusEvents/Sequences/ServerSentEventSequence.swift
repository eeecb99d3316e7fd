public import Apus

/// The events of an event stream; `serverSentEvents(maxLength:reportsComments:)` creates it.
///
/// It adds no task and reads from its base only while an event is requested.
public struct ServerSentEventSequence<Base: AsyncSequence, Failure: Error>: AsyncSequence
where Base.Element == Bytes {
    /// An event, or a comment if those are requested.
    public typealias Element = ServerSentEvent

    private let base: Base
    private let parser: ServerSentEventParser
    private let routes: ErrorRoutes<Base.Failure, Failure>

    init(
        _ base: Base, _ parser: ServerSentEventParser,
        _ routes: ErrorRoutes<Base.Failure, Failure>
    ) {
        self.base = base
        self.parser = parser
        self.routes = routes
    }

    /// Returns an iterator that begins at the next byte of the base.
    public func makeAsyncIterator() -> Iterator {
        Iterator(base: base.makeAsyncIterator(), parser: parser, routes: routes)
    }

    /// An iterator over events.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var base: Base.AsyncIterator
        fileprivate var parser: ServerSentEventParser
        fileprivate let routes: ErrorRoutes<Base.Failure, Failure>

        /// The last event ID of the stream so far; "" for none.
        public var lastEventID: String { parser.lastEventID }

        /// The time to wait before the stream is opened again, by the last valid `retry` field;
        /// `nil` when there was none.
        public var reconnectionTime: Duration? { parser.reconnectionTime }

        /// The next event; `nil` at the end.
        ///
        /// - Throws: `Failure`, after all events before the failure.
        public mutating func next() async throws(Failure) -> ServerSentEvent? {
            try await next(isolation: #isolation)
        }

        /// As `next()`, from the isolation of the caller.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(Failure) -> ServerSentEvent? {
            while true {
                if let event = try parsed() { return event }
                let piece: Bytes?
                do throws(Base.Failure) {
                    piece = try await base.next(isolation: actor)
                } catch {
                    throw routes.ofBase(error)
                }
                guard let piece else { return nil }
                parser.bytesReceived(piece)
            }
        }

        @inline(__always)
        fileprivate mutating func parsed() throws(Failure) -> ServerSentEvent? {
            do throws(LengthExceeded) {
                return try parser.nextEvent()
            } catch {
                throw routes.ofLength(error)
            }
        }
    }
}

extension ServerSentEventSequence: Sendable where Base: Sendable {}
extension ServerSentEventSequence.Iterator: Sendable where Base.AsyncIterator: Sendable {}

extension ServerSentEventSequence.Iterator where Base == ResponseBody, Failure == TransportError {
    /// The next event if it is complete before the deadline.
    ///
    /// It allows other work while a stream pauses, such as a heartbeat of one's own:
    /// `next(until: .now + .seconds(15))`. It needs no task. What has been received of an event is
    /// kept for the next read.
    ///
    /// - Parameter deadline: the instant at which waiting ends.
    /// - Throws: `TransportError`, as `next()`; never because of the deadline.
    public mutating func next(
        until deadline: ContinuousClock.Instant
    ) async throws(TransportError) -> TimedArrival<ServerSentEvent> {
        while true {
            if let event = try parsed() { return .element(event) }
            switch try await base.next(until: deadline) {
            case .bytes(let piece): parser.bytesReceived(piece)
            case .nothing: return .nothing
            case .end: return .end
            }
        }
    }
}
