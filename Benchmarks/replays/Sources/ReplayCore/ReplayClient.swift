/// A request of a replay.
public struct ReplayRequest: Sendable {
    /// The number by which its answer is reported.
    public let number: Int
    /// The method, as in "POST".
    public let method: String
    /// An absolute URL.
    public let url: String
    /// The number of bytes of the body, each an "x".
    public let bodyLength: Int
    /// The proxy with its login, as in "http://user:password@127.0.0.1:8080"; `nil` for none.
    public let proxy: String?

    /// Reads a line of the form `NUMBER METHOD URL LENGTH PROXY`, with "-" for no proxy.
    init?(_ line: String) {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 5, let number = Int(words[0]), let length = Int(words[3]) else {
            return nil
        }
        self.number = number
        method = words[1]
        url = words[2]
        bodyLength = length
        proxy = words[4] == "-" ? nil : words[4]
    }
}

/// The head of an answer, and its body, which has yet to be read.
public struct ReplayHead: Sendable {
    /// The status, as in 200.
    let status: Int
    /// The version of HTTP, as in "2".
    let version: String
    /// Reads the body to its end and returns its length in bytes.
    let readBody: @Sendable () async throws -> Int

    /// Makes a head.
    public init(
        status: Int, version: String, readBody: @escaping @Sendable () async throws -> Int
    ) {
        self.status = status
        self.version = version
        self.readBody = readBody
    }
}

/// A client under test: the only part in which the programs differ.
public protocol ReplayClient: Sendable {
    /// Sends a request and returns when the head of its answer has arrived.
    func send(_ request: ReplayRequest) async throws -> ReplayHead
}
