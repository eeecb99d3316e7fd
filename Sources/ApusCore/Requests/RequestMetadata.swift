/// A program's own facts about a request, which its events, log lines, metrics and errors carry.
///
/// They are never sent. They must hold no secret, since logs contain them. One value may serve any
/// number of requests; a request without one costs nothing.
public final class RequestMetadata: Sendable {
    /// A short text for people, such as the name of a tenant or of a model; empty when there is
    /// none.
    public let tag: String
    /// Further facts by name.
    public let values: [String: String]

    /// Creates metadata.
    ///
    /// - Parameters:
    ///   - tag: a short text for people; empty by default.
    ///   - values: further facts by name; none by default.
    public init(tag: String = "", values: [String: String] = [:]) {
        self.tag = tag
        self.values = values
    }
}
