public import Apus
import HTTPTypes

/// The events of a stream that is opened again whenever it ends, as the EventSource of browsers.
///
/// It follows the HTML standard, section 9.2: the stream is opened again after its end and after a
/// failure of the transport, after the time that the server sent by `retry`, with the last event ID
/// in `Last-Event-ID`. It ends at a 204 and fails at any other status than 200 and at a response
/// that is no event stream. Redirects are followed where the transport follows them.
///
/// Everything happens in the task that reads: no connection is made and no time passes unless an
/// event is requested. Cancelling the read ends the sequence at once. Each iterator is a stream of
/// its own.
public struct EventSource: AsyncSequence, Sendable {
    /// An event.
    public typealias Element = ServerSentEvent
    /// The error that ends the sequence.
    public typealias Failure = EventSourceError

    /// A step of the connection, for logs.
    public enum Step: Sendable {
        /// A request is sent.
        case connecting
        /// A response has arrived, and its events follow.
        case open(HTTPResponse)
        /// The connection has ended, by an error or without one; the next one is made after a time.
        case waiting(Duration, after: TransportError?)
    }

    private let start: EventConnections

    /// Creates an event source; it connects when the first event is requested.
    ///
    /// - Parameters:
    ///   - transport: sends the requests: an engine, a client, or a layer over them.
    ///   - request: a request without a body. `Accept: text/event-stream` and
    ///     `Cache-Control: no-cache` are added unless it has these fields.
    ///   - options: the options of each request; a `totalTimeout` bounds each connection.
    ///   - policy: the times between connections, and their number.
    ///   - lastEventID: the ID after which the stream continues; "" by default, which is not sent.
    ///   - maxLength: the bound of a line, and of an event's data, in bytes; 50 MiB by default.
    ///   - reportsComments: whether comments are delivered too; `false` by default. A comment does
    ///     not count as an event for `maxFailures`.
    ///   - clock: measures the time between connections; the continuous clock by default.
    ///   - random: returns a number from 0 up to 1 for the jitter.
    ///   - observe: called in the reading task with each step; does nothing by default.
    public init(
        _ transport: any HTTPTransport, _ request: HTTPRequest,
        options: RequestOptions = .init(), policy: ReconnectionPolicy = .init(),
        lastEventID: String = "", maxLength: Int = LineScanner.defaultMaxLength,
        reportsComments: Bool = false, clock: any Clock<Duration> = ContinuousClock(),
        random: @escaping @Sendable () -> Double = { .random(in: 0..<1) },
        observe: @escaping @Sendable (Step) -> Void = { _ in }
    ) {
        var request = request
        if request.headerFields[.accept] == nil {
            request.headerFields[.accept] = "text/event-stream"
        }
        if request.headerFields[.cacheControl] == nil {
            request.headerFields[.cacheControl] = "no-cache"
        }
        start = EventConnections(
            transport: transport, request: request, options: options, maxLength: maxLength,
            reportsComments: reportsComments, clock: clock, random: random, observe: observe,
            lastEventID: lastEventID, machine: ReconnectionMachine(policy))
    }

    /// Returns an iterator, which connects when its first event is requested.
    public func makeAsyncIterator() -> Iterator {
        Iterator(connections: start)
    }

    /// An iterator over the events of all connections.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate var connections: EventConnections

        /// The last event ID so far; "" for none.
        public var lastEventID: String { connections.lastEventID }

        /// The next event; `nil` after a 204, and after an error.
        ///
        /// - Throws: `EventSourceError`, once.
        public mutating func next() async throws(EventSourceError) -> ServerSentEvent? {
            try await connections.nextEvent()
        }

        /// As `next()`, from the isolation of the caller.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(EventSourceError) -> ServerSentEvent? {
            try await connections.nextEvent()
        }
    }
}

/// The connections of one reader of an event source, one after the other.
private struct EventConnections: Sendable {
    let transport: any HTTPTransport
    let request: HTTPRequest
    let options: RequestOptions
    let maxLength: Int
    let reportsComments: Bool
    let clock: any Clock<Duration>
    let random: @Sendable () -> Double
    let observe: @Sendable (EventSource.Step) -> Void

    /// The progress of the current connection.
    private enum State: Sendable {
        /// A request is to be sent.
        ///
        /// Exits: `.open`, `.waiting`, `.ended`.
        case connecting
        /// Events arrive.
        ///
        /// Exits: `.waiting`, `.ended`.
        case open(ResponseBody.Iterator, ServerSentEventParser, ResponseBody)
        /// The next connection is made after a time.
        ///
        /// Exits: `.connecting`, `.ended`.
        case waiting(Duration)
        /// Nothing follows.
        ///
        /// Exits: none.
        case ended
    }

    private(set) var lastEventID: String
    private var machine: ReconnectionMachine
    private var state = State.connecting

    init(
        transport: any HTTPTransport, request: HTTPRequest, options: RequestOptions,
        maxLength: Int, reportsComments: Bool, clock: any Clock<Duration>,
        random: @escaping @Sendable () -> Double,
        observe: @escaping @Sendable (EventSource.Step) -> Void, lastEventID: String,
        machine: ReconnectionMachine
    ) {
        self.transport = transport
        self.request = request
        self.options = options
        self.maxLength = maxLength
        self.reportsComments = reportsComments
        self.clock = clock
        self.random = random
        self.observe = observe
        self.lastEventID = lastEventID
        self.machine = machine
    }

    mutating func nextEvent() async throws(EventSourceError) -> ServerSentEvent? {
        do throws(EventSourceError) {
            while true {
                switch state {
                case .connecting: try await connect()
                case .open(let pieces, let parser, let body):
                    // The parser has one owner while it reads.
                    state = .ended
                    if let event = try await read(pieces, parser, body) { return event }
                case .waiting(let time): try await wait(time)
                case .ended: return nil
                }
            }
        } catch {
            state = .ended
            throw error
        }
    }

    private mutating func connect() async throws(EventSourceError) {
        observe(.connecting)
        var request = request
        let field = HTTPField(name: .lastEventID, value: lastEventID)
        // A value that HTTP cannot carry as it is, such as one that ends in a blank, is not sent.
        if !lastEventID.isEmpty, field.value == lastEventID {
            request.headerFields[.lastEventID] = lastEventID
        }
        let response: Response
        do throws(TransportError) {
            response = try await transport.send(request, body: .empty, options: options)
        } catch {
            return try connectionEnded(error)
        }
        switch EventStreamAnswer(response.head) {
        case .end: state = .ended
        case .refusal(let error): throw error
        case .stream:
            observe(.open(response.head))
            let parser = ServerSentEventParser(
                maxLength: maxLength, reportsComments: reportsComments, lastEventID: lastEventID)
            state = .open(response.body.makeAsyncIterator(), parser, response.body)
        }
    }

    /// Reads up to the next event; `nil` when the connection has ended.
    private mutating func read(
        _ pieces: ResponseBody.Iterator, _ parser: consuming ServerSentEventParser,
        _ body: ResponseBody
    ) async throws(EventSourceError) -> ServerSentEvent? {
        var parser = parser
        while true {
            do throws(LengthExceeded) {
                let event = try parser.nextEvent()
                lastEventID = parser.lastEventID
                if let time = parser.reconnectionTime { machine.retryReceived(time) }
                if let event {
                    if event.kind == .event { machine.eventReceived() }
                    state = .open(pieces, parser, body)
                    return event
                }
            } catch {
                throw .transport(body.refuseRest(error.description))
            }
            let piece: Bytes?
            do throws(TransportError) {
                piece = try await pieces.next()
            } catch {
                try connectionEnded(error)
                return nil
            }
            guard let piece else {
                try connectionEnded(nil)
                return nil
            }
            parser.bytesReceived(piece)
        }
    }

    /// Waits for the next connection, or fails.
    private mutating func connectionEnded(_ error: TransportError?) throws(EventSourceError) {
        if let error, error.isFinal { throw .transport(error) }
        guard let time = machine.connectionEnded(random: random()) else {
            throw .gaveUp(failures: machine.failures, last: error)
        }
        observe(.waiting(time, after: error))
        state = .waiting(time)
    }

    private mutating func wait(_ time: Duration) async throws(EventSourceError) {
        do {
            try await clock.sleep(for: time)
        } catch {
            throw .transport(
                TransportError(
                    .cancelled, phase: .request,
                    message: "the task was cancelled between two connections of an event stream"))
        }
        state = .connecting
    }
}

extension TransportError {
    /// Whether a further connection cannot succeed or is not wanted.
    fileprivate var isFinal: Bool {
        switch kind {
        case .invalidRequest, .producerFailed, .cancelled, .shutdown, .tooLarge: true
        default: false
        }
    }
}

extension HTTPField.Name {
    /// The name of `Last-Event-ID`.
    fileprivate static let lastEventID = HTTPField.Name(known: "Last-Event-ID")
}
