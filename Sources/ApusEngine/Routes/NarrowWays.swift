package import ApusCore

/// The ways on which HTTP/2 takes large bodies slowly: the peer's flow-control window is small, and
/// the path is long (RFC 9113, section 5.2).
///
/// A body of so many windows takes as many round trips, more when it shares the connection; TCP's
/// own window grows with each. For ten minutes after bodies have waited for the window such a body
/// goes over HTTP/1.1. Without clock or lock.
package struct NarrowWays: Sendable {
    /// The length of a large body, in windows.
    static let windows: UInt64 = 16
    /// How long a way counts as narrow.
    static let time = Duration.seconds(600)

    private struct Record {
        let minLength: UInt64
        let end: Deadline
    }

    private var records = WayRecords<Record>()

    package init() {}

    package var isEmpty: Bool { records.isEmpty }

    /// Bodies have waited for a connection's window for too long.
    ///
    /// - Parameter window: the window with which the peer's streams begin, in bytes.
    /// - Returns: the length from which bodies go over HTTP/1.1, when that begins now; else `nil`.
    package mutating func congested(_ route: Route, window: Int, now: Deadline) -> UInt64? {
        let isKnown = records[route].map { now < $0.end } ?? false
        let minLength = UInt64(max(window, 65_535)) * Self.windows
        records[route] = Record(minLength: minLength, end: now.advanced(by: Self.time))
        return isKnown ? nil : minLength
    }

    /// Whether a body of this length is to go over HTTP/1.1; a way past its time is forgotten.
    package mutating func avoids(_ route: Route, length: UInt64, now: Deadline) -> Bool {
        guard let record = records[route] else { return false }
        guard now < record.end else {
            records[route] = nil
            return false
        }
        return length >= record.minLength
    }

    /// A route of each way that is remembered.
    package var routes: [Route] { records.routes }

    /// Forgets the ways of these routes.
    package mutating func forget(_ routes: [Route]) {
        records.forget(routes)
    }
}
