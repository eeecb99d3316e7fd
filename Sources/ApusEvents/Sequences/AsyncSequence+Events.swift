public import Apus

/// Lines and events over any sequence of bytes.
extension AsyncSequence where Element == Bytes {
    /// The lines of a sequence of bytes, each without its end.
    ///
    /// LF and CRLF end a line; a CR alone is a part of its line. A last line without an end is
    /// delivered too. A line that lies in one piece is a slice of it and is not copied.
    ///
    /// - Parameter maxLength: the length of the longest line, in bytes; 50 MiB by default.
    /// - Returns: a sequence that throws the errors of this one as they are, and
    ///   `LengthExceeded` for a longer line. It reads no further after that; whether the source
    ///   then ends is decided by the caller, who releases it.
    public func lines(
        maxLength: Int = LineScanner.defaultMaxLength
    ) -> LineSequence<Self, any Error> {
        LineSequence(self, LineScanner(maxLength: maxLength), .unchanged())
    }

    /// The events of an event stream (HTML standard, section 9.2).
    ///
    /// An event is delivered as soon as its blank line has been received. An event that is
    /// incomplete at the end is dropped.
    ///
    /// - Parameters:
    ///   - maxLength: the bound of a line, and of the data of an event over all of its lines, in
    ///     bytes; 50 MiB by default.
    ///   - reportsComments: whether comments are delivered too, as heartbeats; `false` by default.
    /// - Returns: a sequence that throws the errors of this one as they are, and
    ///   `LengthExceeded` for a longer line or event. It reads no further after that; whether the
    ///   source then ends is decided by the caller, who releases it.
    public func serverSentEvents(
        maxLength: Int = LineScanner.defaultMaxLength, reportsComments: Bool = false
    ) -> ServerSentEventSequence<Self, any Error> {
        ServerSentEventSequence(
            self,
            ServerSentEventParser(maxLength: maxLength, reportsComments: reportsComments),
            .unchanged())
    }
}

extension ResponseBody {
    /// The lines of a body, each without its end.
    ///
    /// LF and CRLF end a line; a CR alone is a part of its line. A last line without an end is
    /// delivered too. A line that lies in one piece is a slice of it and is not copied. Dropping
    /// the sequence and the body ends the exchange, as for the body itself.
    ///
    /// - Parameter maxLength: the length of the longest line, in bytes; 50 MiB by default.
    /// - Returns: a sequence that throws `TransportError`: `.tooLarge` for a longer line, which
    ///   also ends the exchange, else the errors of the body after all lines before them.
    public func lines(
        maxLength: Int = LineScanner.defaultMaxLength
    ) -> LineSequence<ResponseBody, TransportError> {
        LineSequence(self, LineScanner(maxLength: maxLength), .ending(self))
    }

    /// The events of a body that is an event stream (HTML standard, section 9.2).
    ///
    /// An event is delivered as soon as its blank line has been received. An event that is
    /// incomplete at the end is dropped. Dropping the sequence and the body ends the exchange, as
    /// for the body itself.
    ///
    /// - Parameters:
    ///   - maxLength: the bound of a line, and of the data of an event over all of its lines, in
    ///     bytes; 50 MiB by default.
    ///   - reportsComments: whether comments are delivered too, as heartbeats; `false` by default.
    /// - Returns: a sequence that throws `TransportError`: `.tooLarge` for a longer line or event,
    ///   which also ends the exchange, else the errors of the body after all events before them.
    public func serverSentEvents(
        maxLength: Int = LineScanner.defaultMaxLength, reportsComments: Bool = false
    ) -> ServerSentEventSequence<ResponseBody, TransportError> {
        ServerSentEventSequence(
            self,
            ServerSentEventParser(maxLength: maxLength, reportsComments: reportsComments),
            .ending(self))
    }
}
