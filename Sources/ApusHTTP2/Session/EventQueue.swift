import ApusCore

/// The events not taken yet, first in, first out; DATA of one stream is joined while it arrives.
struct EventQueue {
    /// From so many bytes on, room is made for all that may be joined to them.
    private static let longBody = 8 * 1024

    /// Events still to come, in order.
    private var incoming: [HTTP2Event] = []
    /// Events before those, in reverse, so that giving one out moves it and copies nothing.
    private var outgoing: [HTTP2Event] = []
    /// Body bytes not yet an event; no other reference to the array exists, so appending never
    /// copies.
    private var body: [UInt8] = []
    private var bodyStream: HTTP2StreamID = 0

    mutating func append(_ event: HTTP2Event) {
        flush()
        incoming.append(event)
    }

    /// Adds body bytes, to those before them when the stream is the same and there are few.
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>, on stream: HTTP2StreamID) {
        let isJoinable =
            bodyStream == stream && body.count + bytes.count <= HTTP2Session.maxJoinedBody
        if !isJoinable {
            flush()
            bodyStream = stream
            // More of a long body follows as a rule.
            if bytes.count >= Self.longBody { body.reserveCapacity(HTTP2Session.maxJoinedBody) }
        }
        body.append(contentsOf: bytes)
    }

    /// Makes an event of the body bytes gathered so far.
    mutating func flush() {
        guard !body.isEmpty else { return }
        incoming.append(.body(bodyStream, Bytes(body)))
        body = []
    }

    mutating func next() -> HTTP2Event? {
        if outgoing.isEmpty {
            flush()
            swap(&incoming, &outgoing)
            outgoing.reverse()
        }
        return outgoing.popLast()
    }
}
