import Apus
import Loopback
import Testing

/// A real server in one protocol: a row of the table that every scenario is held against.
struct Peer: Sendable, CustomTestStringConvertible {
    let server: RealServer
    /// Which of the server's ports.
    let portName: String
    let isTLS: Bool
    let versions: HTTPVersionPolicy
    let version: HTTPVersion
    /// The ports of a server of the test's own; without them it is the one that all tests share.
    private var ownPorts: [String: UInt16]?

    var testDescription: String {
        "\(server.title) \(version.rawValue)\(isTLS ? " over TLS" : "")"
    }
    var isHTTP2: Bool { version == .http2 }

    static let nginx = [
        Peer(.nginx, "PLAIN", isTLS: false, .http1),
        Peer(.nginx, "TLS", isTLS: true, .http1),
        Peer(.nginx, "H2", isTLS: true, .http2),
    ]
    static let nghttpd = [
        Peer(.nghttpd, "PORT", isTLS: true, .http2),
        Peer(.nghttpdInTheClear, "PORT", isTLS: false, .http2),
    ]
    static let h2o = [
        Peer(.h2o, "PLAIN", isTLS: false, .http1),
        Peer(.h2o, "TLS", isTLS: true, .http1),
        Peer(.h2o, "TLS", isTLS: true, .http2),
        Peer(.h2o, "PLAIN", isTLS: false, .http2),
    ]

    static let apache2 = [
        Peer(.apache2, "PLAIN", isTLS: false, .http1),
        Peer(.apache2, "TLS", isTLS: true, .http1),
    ]
    static let caddy = [
        Peer(.caddy, "PLAIN", isTLS: false, .http1),
        Peer(.caddy, "TLS", isTLS: true, .http1),
        Peer(.caddy, "TLS", isTLS: true, .http2),
    ]
    static let hyperh2 = [
        Peer(.hyperh2, "TLS", isTLS: true, .http2),
        Peer(.hyperh2, "PLAIN", isTLS: false, .http2),
    ]

    static let haproxyFront = [
        Peer(.haproxyFront, "TLS", isTLS: true, .http2),
        Peer(.haproxyFront, "PLAIN", isTLS: false, .http2),
    ]
    static let goServer = [Peer(.goServer, "TLS", isTLS: true, .http2)]

    static let lighttpd = [
        Peer(.lighttpd, "TLS", isTLS: true, .http2),
        Peer(.lighttpd, "PLAIN", isTLS: false, .http2),
        Peer(.lighttpd, "PLAIN", isTLS: false, .http1),
    ]
    static let node = [
        Peer(.node, "TLS", isTLS: true, .http2), Peer(.node, "PLAIN", isTLS: false, .http1),
    ]
    static let uvicorn = [
        Peer(.uvicorn, "TLS", isTLS: true, .http1), Peer(.uvicorn, "PLAIN", isTLS: false, .http1),
    ]
    static let hypercorn = [
        Peer(.hypercorn, "TLS", isTLS: true, .http2),
        Peer(.hypercorn, "PLAIN", isTLS: false, .http1),
    ]
    static let aiohttp = [
        Peer(.aiohttp, "TLS", isTLS: true, .http1), Peer(.aiohttp, "PLAIN", isTLS: false, .http1),
    ]

    /// The same at a server of the test's own.
    func at(_ ports: [String: UInt16]) -> Peer {
        var peer = self
        peer.ownPorts = ports
        return peer
    }

    /// Where the peer serves a path; the server is started if it does not run.
    func url(_ path: String) throws -> String {
        let ports = try ownPorts ?? server.running().ports
        let port = try #require(ports[portName])
        return "\(isTLS ? "https" : "http")://localhost:\(port)\(path)"
    }

    init(
        _ server: RealServer, _ portName: String, isTLS: Bool, _ version: HTTPVersion,
        versions: HTTPVersionPolicy? = nil
    ) {
        self.server = server
        self.portName = portName
        self.isTLS = isTLS
        self.version = version
        self.versions = versions ?? (version == .http2 ? .http2Only : .http1Only(alpn: .http1))
    }
}

/// An engine of its own that talks to one peer, for the length of one test.
struct Conversation: Sendable {
    let peer: Peer
    let files: ServedFiles
    let engine: TransportEngine
    let client: ExecutorClient
    private init(_ peer: Peer, tuning: EngineTuning, roots: String) throws {
        self.peer = peer
        files = try ServedFiles.files.get()
        // Started before anything is measured.
        _ = try peer.server.running()
        var tuning = tuning
        tuning.tls.roots = .file(FixturePaths.pem(roots))
        engine = try TransportEngine(tuning)
        client = ExecutorClient(engine, versions: peer.versions)
    }

    /// Runs a test's body with an engine, and shuts the engine down whatever happens.
    static func with(
        _ peer: Peer, tuning: EngineTuning = .patient, roots: String = "ca",
        _ body: (Conversation) async throws -> Void
    ) async throws {
        // Starting a server blocks.
        _ = await offThePool { Result { try peer.server.running() } }
        let conversation = try Conversation(peer, tuning: tuning, roots: roots)
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await body(conversation))
        } catch {
            outcome = .failure(error)
        }
        await conversation.engine.shutdown()
        #expect(conversation.engine.snapshot().connections == 0)
        try outcome.get()
    }

    func send(
        _ method: HTTPRequest.Method, _ path: String, fields: HTTPFields = [:],
        body: RequestBody = .empty, options: RequestOptions = .init()
    ) async throws -> Response {
        let request = try HTTPRequest(method, url: peer.url(path), fields: fields)
        let response = try await client.send(request, body: body, options: options)
        #expect(response.version == peer.version)
        return response
    }

    func get(
        _ path: String, fields: HTTPFields = [:], options: RequestOptions = .init()
    ) async throws -> Response {
        try await send(.get, path, fields: fields, options: options)
    }

    /// Gets a file, reads it to its end and compares it; the response, for what else is to be seen.
    @discardableResult
    func expect(
        _ file: ServedFiles.File, options: RequestOptions = .init()
    ) async throws -> Response {
        let response = try await get(file.path, options: options)
        #expect(response.status == .ok)
        let body = try await Digested(response.body)
        #expect(body == Digested(count: file.size, digest: file.digest))
        return response
    }
}

/// A body that was read to its end: how long it was, and its SHA-256 digest.
struct Digested: Equatable {
    let count: Int
    let digest: String

    init(count: Int, digest: String) {
        self.count = count
        self.digest = digest
    }

    init(_ pieces: [[UInt8]]) {
        self.init(
            count: pieces.reduce(0) { $0 + $1.count }, digest: ServedFiles.digest(of: pieces))
    }

    /// Reads a body as it arrives, keeping none of it.
    init(_ body: ResponseBody) async throws {
        let digest = RunningDigest()
        for try await chunk in body { digest.update(chunk) }
        self.init(count: digest.count, digest: digest.finalize())
    }
}
