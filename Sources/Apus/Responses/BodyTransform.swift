/// A stage that makes a body's pieces of another body's: a decoder, a counter, a filter.
///
/// `ResponseBody(transforming:by:)` runs it within the reads of the new body. It needs no task and
/// no buffer: a piece of the received body is taken only when `nextOutput` has nothing left, so the
/// memory of a stage is what it keeps itself. The calls come one at a time, from any thread, in
/// this order:
///
/// 1. `bytesReceived` for each piece, and after each of them `nextOutput` until it returns `nil`.
/// 2. At the end one of `bodyEnded`, `bodyFailed` and `bodyAbandoned`. After the first two,
///    `nextOutput` is called again until it returns `nil`, and after `bodyEnded` then `trailers`.
///
/// An error that the stage throws ends the exchange. The reader gets it after the output that is
/// left, and again at each later read. It has the facts of the exchange (route, connection, counts)
/// and the replay verdict `responseStarted`, whatever the stage set. After an error the stage is
/// not called again, except for `nextOutput`.
///
/// The stage is released at the end of the body, not only with the body. A stage that shares state
/// with other code, such as the transport that made it, keeps a reference to that state.
public protocol BodyTransform: ~Copyable, Sendable {
    /// Takes the next piece of the received body, which is never empty.
    ///
    /// - Throws: `TransportError` when the piece cannot be used; output that is left is delivered
    ///   first.
    mutating func bytesReceived(_ piece: Bytes) throws(TransportError)

    /// The next piece of the new body; `nil` when another piece of the received body is needed.
    ///
    /// Empty pieces are skipped. Large output should be made piece by piece, as the reader asks.
    /// - Throws: `TransportError`, when no output is left before the fault.
    mutating func nextOutput() throws(TransportError) -> Bytes?

    /// The received body has ended correctly; more output may follow.
    ///
    /// - Throws: `TransportError` when the body must not end here; output that is left is delivered
    ///   first.
    mutating func bodyEnded() throws(TransportError)

    /// The trailers of the new body; by default those of the received one.
    ///
    /// - Parameter received: the trailers of the received body; `nil` when it had none.
    mutating func trailers(_ received: HTTPFields?) -> HTTPFields?

    /// The received body has failed; the reader gets this error after the output that is left.
    ///
    /// By default nothing is done.
    mutating func bodyFailed(_ error: TransportError)

    /// The new body was dropped or cancelled before its end; no other call follows.
    ///
    /// By default nothing is done.
    mutating func bodyAbandoned()
}

extension BodyTransform where Self: ~Copyable {
    /// The trailers of the received body.
    public mutating func trailers(_ received: HTTPFields?) -> HTTPFields? { received }

    /// Nothing is done.
    public mutating func bodyFailed(_ error: TransportError) {}

    /// Nothing is done.
    public mutating func bodyAbandoned() {}
}
