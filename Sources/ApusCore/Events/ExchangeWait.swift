/// A wait of an exchange that has a time limit of its own.
///
/// The raw value and "Timeout" are the limit's name in `RequestOptions`.
public enum ExchangeWait: String, Sendable, Hashable, Codable, CaseIterable {
    /// For a connection to become free.
    case acquire
    /// For a connection that is being made.
    case connect
    /// For the peer to take the next bytes of the request.
    case writeIdle
    /// For the final head, from the request's start.
    case head
    /// For the final head, from the request's last byte.
    case response
    /// For the body's first byte, from the final head.
    case firstByte
    /// For the body's next bytes.
    case readIdle
    /// For the end of the exchange.
    case total

    /// The name of the limit, as in "firstByteTimeout".
    public var option: String { rawValue + "Timeout" }

    /// The phase of an error that ends this wait.
    public var phase: TransportError.Phase {
        switch self {
        case .acquire: .pool
        case .connect: .connect
        case .writeIdle: .send
        case .head, .response: .head
        case .firstByte, .readIdle: .body
        case .total: .total
        }
    }
}

/// The time limit that ended an exchange.
public struct TimeLimit: Sendable, Hashable {
    /// The wait that was too long.
    public let wait: ExchangeWait
    /// The limit.
    public let duration: Duration
    /// How long before the end the peer answered a PING of HTTP/2, if it did so during the wait:
    /// then the connection works, and the stream alone is silent.
    ///
    /// `nil` where no PING was answered in that time, and always over HTTP/1.1.
    public package(set) var pingAnswered: Duration?

    package init(_ wait: ExchangeWait, _ duration: Duration) {
        self.wait = wait
        self.duration = duration
    }

    /// Notes when the peer last answered a PING, if that was within the time of the limit.
    package mutating func note(answer: Deadline?, now: Deadline) {
        guard let ago = answer.map({ now.since($0) }), ago <= duration else { return }
        pingAnswered = ago
    }

    /// What did not come, in which time, by which option.
    package var explanation: String {
        let time = duration.words
        let what =
            switch wait {
            case .acquire: "no connection became free within \(time)"
            case .connect: "no connection was made within \(time)"
            case .writeIdle: "the peer took no byte of the request for \(time)"
            case .head: "no final head within \(time)"
            case .response: "no final head within \(time) after the request"
            case .firstByte: "no byte of the body within \(time) after the head"
            case .readIdle: "no byte of the body for \(time)"
            case .total: "no end of the response within \(time)"
            }
        let isAlive = pingAnswered.map { "; the peer answered a PING \($0.words) ago" } ?? ""
        return "\(what) (\(wait.option))\(isAlive)"
    }
}
