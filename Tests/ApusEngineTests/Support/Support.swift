import ApusConnection
import ApusCore
@testable import ApusEngine
import ApusSocket
import HTTPTypes
import Testing

/// A route to a host of this number.
func route(
    _ number: Int, scheme: Scheme = .http, versions: HTTPVersionPolicy = .automatic
) throws -> Route {
    Route(origin: try Origin(scheme: scheme, host: "host-\(number)"), versions: versions)
}

/// A checked request.
func request(
    _ method: HTTPRequest.Method = .get, body: RequestBody = .empty,
    options: RequestOptions = RequestOptions(), tuning: EngineTuning = EngineTuning(),
    fields: HTTPFields = [:]
) throws -> OutgoingRequest {
    let head = HTTPRequest(
        method: method, scheme: "http", authority: "host-1", path: "/", headerFields: fields)
    return try OutgoingRequest(
        head, body: body, options: options, tuning: tuning, routes: RouteMemory())
}

/// The instant at so many seconds.
func at(_ seconds: Int64) -> Deadline {
    Deadline(nanoseconds: seconds * 1_000_000_000)
}

/// An instant that no test lives to see.
let farAway = Deadline.now().advanced(by: .seconds(1_000_000))

/// The error that an operation throws; anything else is an issue.
func transportError(
    _ operation: () async throws(TransportError) -> Void
) async -> TransportError? {
    do throws(TransportError) {
        try await operation()
        Issue.record("no error was thrown")
        return nil
    } catch {
        return error
    }
}
