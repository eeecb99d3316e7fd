/// One try of a request that a layer sent several times, as a retry, with another choice or after a
/// redirect.
///
/// A layer that wraps another one takes over the tries that the inner one reports, so that the list
/// of a response or an error has each exchange once.
public struct Try: Sendable {
    /// The result of a try.
    public enum Outcome: Sendable {
        /// A final response with this status code.
        case status(Int)
        /// An error instead of a response.
        case failed(TransportError)
    }

    /// The result.
    public var outcome: Outcome
    /// The name of the choice (credential, proxy or origin) that it was made with; `nil` without a
    /// choice.
    ///
    /// It holds no secret.
    public var choice: String?
    /// The URL that it was sent to, without query and credentials; `nil` when it is that of the
    /// request.
    public var url: String?
    /// How long the layer waited before it; zero by default.
    public var pause = Duration.zero
    /// The time from its call to its head or error; zero by default.
    public var duration = Duration.zero
    /// The number of its connection in the engine; `nil` without one.
    public var connectionID: UInt64?

    /// Creates a record of one try.
    ///
    /// - Parameters:
    ///   - outcome: the result.
    ///   - choice: the name of the choice; none by default.
    ///   - url: where it was sent; `nil`, the default, is the URL of the request.
    public init(_ outcome: Outcome, choice: String? = nil, url: String? = nil) {
        self.outcome = outcome
        self.choice = choice
        self.url = url
    }
}

extension Try: CustomStringConvertible {
    /// The choice, the URL and the result, as in "backup at https://a.example/v1: 503".
    public var description: String {
        let place = [choice, url].compactMap(\.self).joined(separator: " at ")
        let result =
            switch outcome {
            case .status(let code): "\(code)"
            case .failed(let error): "\(error.kind.summary): \(error.message)"
            }
        return place.isEmpty ? result : "\(place): \(result)"
    }
}
