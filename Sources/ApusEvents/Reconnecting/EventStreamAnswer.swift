package import Apus

/// What the head of a response means for a reconnecting event stream (HTML standard, 9.2.2).
package enum EventStreamAnswer {
    /// An event stream follows.
    case stream
    /// The server asks the client not to connect again (204).
    case end
    /// The response is no event stream, and the client does not connect again.
    case refusal(EventSourceError)

    package init(_ head: HTTPResponse) {
        switch head.status.code {
        case 200:
            let fields = head.headerFields
            self = fields.isEventStream ? .stream : .refusal(.contentType(fields[.contentType]))
        case 204: self = .end
        default: self = .refusal(.status(head))
        }
    }
}
