import Synchronization

/// What a request is sent with: a key for the origin and, in some scenarios, a login at a proxy.
public struct Credential: Sendable {
    /// Its place in the list, from 0.
    public let number: Int
    /// The value of the `Authorization` field.
    public let authorization: String
    /// The name at the proxy; the password is `password`.
    public let user: String
    /// The proxy's port on 127.0.0.1; `nil` for a direct connection.
    public let proxyPort: Int?

    /// The password at each proxy.
    public static let password = "secret"
}

/// The credentials, given out in turn: each request has the next one.
public final class Credentials: Sendable {
    /// All of them.
    public let all: [Credential]
    private let next = Atomic(0)

    /// Makes credentials; with proxies, each belongs to one of these in turn.
    public init(count: Int, proxyPorts: [Int]) {
        all = (0..<count).map { number in
            Credential(
                number: number, authorization: "Bearer key-\(number)", user: "user-\(number)",
                proxyPort: proxyPorts.isEmpty ? nil : proxyPorts[number % proxyPorts.count])
        }
    }

    /// The credential of the next request.
    func take() -> Credential {
        let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
        return all[number % all.count]
    }
}
