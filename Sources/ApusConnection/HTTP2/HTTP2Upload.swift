import ApusCore
import ApusHTTP1
import ApusHTTP2
import HTTPTypes

/// The body of one request on its way into an HTTP/2 session.
///
/// A body in memory is handed over by reference, any other a bounded number of bytes ahead of what
/// has left. What counts as sent is what was framed.
struct HTTP2Upload {
    /// Why a body cannot go out whole.
    struct Failure: Error {
        let kind: TransportError.Kind
        let message: String

        fileprivate init(_ kind: TransportError.Kind, _ message: String) {
            self.kind = kind
            self.message = message
        }

        fileprivate init(_ invalid: InvalidRequest) {
            self.init(.invalidRequest(invalid), invalid.description)
        }
    }

    /// Brings the pieces of a producer or a file; `nil` before its request has left, and once it
    /// has brought all.
    private var pump: UploadPump?
    /// Bytes of the body taken from the pump.
    private var pumped: UInt64 = 0

    /// Whether the body is in the session as a whole, but for its trailers.
    private var isWhole: Bool { pump == nil }

    /// Gives the session what is at hand, with the stream's HEADERS.
    ///
    /// Nothing is asked of a producer whose request may wait, or never leave: `requestSent`.
    func begin(
        _ exchange: Exchange, on stream: HTTP2StreamID, _ session: HTTP2Session
    ) throws(Failure) {
        guard exchange.request.holdsBody, !exchange.request.body.isEmpty else {
            return exchange.requestSent()
        }
        let body = exchange.request.content
        guard case .segments(let segments) = body.content else { return }
        let hasTrailers = body.trailers != nil
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            session.send(segment, endOfBody: isLast && !hasTrailers, on: stream)
        }
        if segments.isEmpty { try HTTP2Upload.sendTrailers(of: exchange, on: stream, session) }
    }

    /// The request's HEADERS are out: its producer may start, and calls `ready` for each piece.
    mutating func requestSent(_ exchange: Exchange, ready: @escaping @Sendable () -> Void) {
        guard pump == nil, !exchange.hasEnded, !exchange.request.body.isEmpty,
            let pump = exchange.pump
        else { return }
        exchange.bodyStarted()
        self.pump = pump
        pump.start(ready: ready)
    }

    /// Moves what a producer made into the session, a bounded number of bytes ahead.
    ///
    /// - Returns: whether trailers are to follow now.
    mutating func advance(
        _ exchange: Exchange, on stream: HTTP2StreamID, _ session: HTTP2Session
    ) throws(Failure) -> Bool {
        guard let pump else { return false }
        let length = exchange.request.body.length
        while session.queuedBytes(on: stream) < exchange.request.limits.uploadBufferBytes {
            switch pump.next() {
            case .later: return false
            case .bytes(let bytes):
                pumped += UInt64(bytes.count)
                if let length, pumped > length {
                    throw HTTP2Upload.broken("has more bytes than its declared length")
                }
                // The last declared byte ends the stream: the answer may come before the producer
                // says that it is done.
                session.send(bytes, endOfBody: pumped == length, on: stream)
            case .end:
                self.pump = nil
                if let length {
                    guard pumped >= length else {
                        let owed = length - pumped
                        throw HTTP2Upload.broken("ended \(owed) bytes before its declared length")
                    }
                    return false
                }
                let isAllSent = session.queuedBytes(on: stream) == 0
                guard exchange.request.content.trailers == nil else { return isAllSent }
                session.send(.empty, endOfBody: true, on: stream)
                if isAllSent { exchange.requestSent() }
                return false
            case .failed(let error):
                exchange.producerFailed(error)
                throw Failure(.producerFailed, UploadPump.explain(error))
            }
        }
        return false
    }

    /// Everything handed over for a body that is not finished has left.
    ///
    /// - Returns: whether trailers are to follow now.
    mutating func drained(
        _ exchange: Exchange, on stream: HTTP2StreamID, _ session: HTTP2Session
    ) throws(Failure) -> Bool {
        isWhole ? true : try advance(exchange, on: stream, session)
    }

    /// Counts what was framed of the body.
    func sent(
        _ count: Int, of exchange: Exchange, on stream: HTTP2StreamID, _ session: HTTP2Session
    ) {
        exchange.bodySent(count)
        let isAll = exchange.bytesOwed.map { $0 == 0 } ?? isWhole
        guard isAll, session.queuedBytes(on: stream) == 0 else { return }
        // Trailers are still to come: `sendTrailers`.
        if exchange.request.content.trailers == nil { exchange.requestSent() }
    }

    /// Ends a body whose last byte has left with its trailers; they are the caller's to make.
    static func sendTrailers(
        of exchange: Exchange, on stream: HTTP2StreamID, _ session: HTTP2Session
    ) throws(Failure) {
        guard let make = exchange.request.content.trailers else { return }
        let trailers = make()
        do throws(InvalidRequest) {
            try RequestValidator.check(trailers: trailers)
        } catch {
            throw Failure(error)
        }
        do throws(HTTP2Error) {
            try session.finish(trailers: trailers, on: stream)
        } catch {
            throw Failure(TransportError.Kind(error), error.message)
        }
        exchange.requestSent()
    }

    /// Takes out what is to be stopped, as nothing more is wanted; `nil` when nothing runs.
    mutating func takePump() -> UploadPump? {
        defer { pump = nil }
        return pump
    }

    private static func broken(_ reason: String) -> Failure {
        Failure(InvalidRequest(field: "body", reason: reason))
    }
}
