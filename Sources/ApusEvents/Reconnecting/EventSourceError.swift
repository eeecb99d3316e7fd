public import Apus

/// Why a reconnecting event stream ended for good.
public enum EventSourceError: Error, Sendable, CustomStringConvertible {
    /// The server answered with another status than 200; a 204 is no error but the end.
    case status(HTTPResponse)
    /// The response is no event stream: the value of its `Content-Type`, `nil` for none.
    case contentType(String?)
    /// An error after which a further connection is of no use: the request is invalid, the task was
    /// cancelled, the engine has shut down, or a line or event was too long.
    case transport(TransportError)
    /// So many connections in a row ended without an event; the last error is `nil` where the last
    /// of them ended correctly.
    case gaveUp(failures: Int, last: TransportError?)

    /// The reason on one line.
    public var description: String {
        switch self {
        case .status(let head): "the event stream's server answered \(head.status.code)"
        case .contentType(let type?): "the response is \"\(type)\" and no event stream"
        case .contentType(nil): "the response has no Content-Type, so it is no event stream"
        case .transport(let error): error.description
        case .gaveUp(let failures, let last):
            "\(failures) connections in a row ended without an event"
                + (last.map { "; the last error: \($0)" } ?? "")
        }
    }

    /// The error of the transport, where there is one.
    public var transportError: TransportError? {
        switch self {
        case .status, .contentType: nil
        case .transport(let error): error
        case .gaveUp(_, let last): last
        }
    }
}
