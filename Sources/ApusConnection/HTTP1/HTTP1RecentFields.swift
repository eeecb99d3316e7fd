import ApusCore
import ApusHTTP1

/// The last head of HTTP/1.1 responses, shared by the connections of one loop to an origin.
///
/// Unchecked, because it is confined to its loop: connections use it within their own reads only.
package final class HTTP1RecentFields: @unchecked Sendable {
    @exclusivity(unchecked) private var memory = RecentFields()

    package init() {}

    /// Reads up to the next event of a connection (`HTTP1Session.nextEvent`).
    @inline(__always)
    func nextEvent(
        of session: inout HTTP1Session, in input: RawSpan, offset: inout Int
    ) throws(HTTP1Error) -> HTTP1Event? {
        try session.nextEvent(in: input, offset: &offset, recent: &memory)
    }
}
