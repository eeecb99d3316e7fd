import Apus
import ApusEvents

/// One event of a stream as `apus fetch --events` prints it.
struct EventLine {
    let event: ServerSentEvent
    /// The time since the start of the exchange.
    let time: Duration

    /// Time, type and data on one line; a comment's type is a colon.
    var text: String {
        let type = event.kind == .comment ? ":" : event.type
        let id = event.lastEventID.isEmpty ? "" : " #" + readable(event.lastEventID)
        return
            "\((time.inSeconds * 1000).fixed(1)) ms\(id) \(readable(type)) \(readable(event.text))"
    }

    func json(url: String) -> JSON {
        .object([
            ("url", .string(url)), ("at_us", .microseconds(time)),
            ("kind", .string(event.kind == .comment ? "comment" : "event")),
            ("type", .string(event.type)), ("id", .string(event.lastEventID)),
            ("data", .string(event.text)),
        ])
    }
}
