import ApusHTTP1

/// What the last HTTP/1.1 responses on one loop contained, shared by its connections.
///
/// Unchecked, because it is confined to its loop: connections use it within their own reads only.
package final class HTTP1RecentFields: @unchecked Sendable {
    @exclusivity(unchecked) var memory = RecentFields()

    package init() {}
}
