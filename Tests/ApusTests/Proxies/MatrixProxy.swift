import Apus
import Loopback

/// A loopback proxy of any kind, with its own credentials.
struct MatrixProxy: Sendable {
    enum Kind: String, Sendable {
        case http, https, httpsOverHTTP2, socks4a, socks5, socks5h

        var endpointKind: ProxyEndpoint.Kind {
            ProxyEndpoint.Kind(rawValue: rawValue) ?? .https
        }
        var speaksHTTP: Bool { self == .http || self == .https || self == .httpsOverHTTP2 }
    }

    let kind: Kind
    /// Distinguishes it from the others of a chain.
    let number: Int
    private let http: LoopbackConnectProxy?
    private let socks: LoopbackSOCKSProxy?
    private let http2: LoopbackHTTP2Proxy?
    private let credentials: LoopbackCredentials?

    init(_ kind: Kind, number: Int, asksForLogin: Bool) throws {
        self.kind = kind
        self.number = number
        let password = kind == .socks4a ? "" : "proxy-secret-\(number)"
        let login = LoopbackCredentials(user: "user\(number)", password: password)
        credentials = asksForLogin ? login : nil
        var http: LoopbackConnectProxy?
        var socks: LoopbackSOCKSProxy?
        var http2: LoopbackHTTP2Proxy?
        switch kind {
        case .http, .https:
            var options = LoopbackConnectProxy.Options()
            options.credentials = credentials
            if kind == .https { options.tls = FixturePaths.certificate("leaf") }
            http = try LoopbackConnectProxy(options)
        case .httpsOverHTTP2:
            var options = LoopbackHTTP2Proxy.Options()
            options.credentials = credentials
            http2 = try LoopbackHTTP2Proxy(options)
        case .socks4a, .socks5, .socks5h:
            var options = LoopbackSOCKSProxy.Options()
            options.credentials = credentials
            socks = try LoopbackSOCKSProxy(options)
        }
        (self.http, self.socks, self.http2) = (http, socks, http2)
    }

    var port: UInt16 { http?.port ?? socks?.port ?? http2?.port ?? 0 }
    var connections: Int {
        http?.counters.connections ?? socks?.counters.connections ?? http2?.counters.connections
            ?? 0
    }

    /// What it was asked for, in its own form.
    var seen: [String] {
        http?.requests ?? http2?.requests
            ?? socks?.requests.map { "\($0.host):\($0.port)" } ?? []
    }

    /// What only this proxy may see, in each form that it takes.
    var secrets: [String] {
        guard let credentials else { return [] }
        let encoded = "user\(number):\(credentials.password)".base64
        return [encoded] + (credentials.password.isEmpty ? [] : [credentials.password])
    }

    /// Whether each request that came had the credentials, or none where none were asked for.
    var hasSeenRightLogin: Bool {
        if let socks { return socks.requests.allSatisfy { $0.credentials == credentials } }
        return seen.allSatisfy { head in
            guard let credentials else {
                return !head.lowercased().contains("authorization: basic")
            }
            return head.contains("Basic " + "user\(number):\(credentials.password)".base64)
        }
    }

    /// The way to it.
    func endpoint(
        _ login: DialMatrixTests.Login, options: ProxyEndpoint.Options = .init()
    ) throws -> ProxyEndpoint {
        let given: ProxyCredentials? =
            switch login {
            case .none: nil
            case .right:
                try credentials.map { try ProxyCredentials(user: $0.user, password: $0.password) }
            case .wrong:
                try ProxyCredentials(
                    user: kind == .socks4a ? "not-it" : "user\(number)",
                    password: kind == .socks4a ? "" : "not-it")
            }
        return try ProxyEndpoint(
            kind: kind.endpointKind, host: "localhost", port: Int(port), credentials: given,
            options: options)
    }

    func stop() {
        http?.stop()
        socks?.stop()
        http2?.stop()
    }
}

extension String {
    /// The text's bytes in base 64, written anew so that no mistake meets its own twin.
    var base64: String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var bits = utf8.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 } }
        while bits.count % 6 != 0 { bits.append(0) }
        var text = ""
        for start in stride(from: 0, to: bits.count, by: 6) {
            text.append(alphabet[bits[start..<start + 6].reduce(0) { Int($0 * 2) + Int($1) }])
        }
        while text.count % 4 != 0 { text.append("=") }
        return text
    }
}
