import Apus
import Loopback
import Testing

/// Each way to speak through each way to get there, with the bytes that arrived at both ends.
///
/// A proxy's credentials never reach the origin or another proxy, and through a tunnel the origin's
/// never reach a proxy.
@Suite(.timeLimit(.minutes(5))) struct DialMatrixTests {
    enum Path: String, CaseIterable, Sendable {
        case direct, http, https, httpsOverHTTP2, socks4a, socks5, socks5h
        case chainOfHTTPAndSOCKS, chainOfSOCKSAndHTTPS, chainOfHTTPSAndHTTP, chainOfThree

        /// What is passed, the nearest first.
        var hops: [MatrixProxy.Kind] {
            switch self {
            case .direct: []
            case .http: [.http]
            case .https: [.https]
            case .httpsOverHTTP2: [.httpsOverHTTP2]
            case .socks4a: [.socks4a]
            case .socks5: [.socks5]
            case .socks5h: [.socks5h]
            case .chainOfHTTPAndSOCKS: [.http, .socks5h]
            case .chainOfSOCKSAndHTTPS: [.socks5, .https]
            case .chainOfHTTPSAndHTTP: [.https, .http]
            case .chainOfThree: [.socks4a, .httpsOverHTTP2, .https]
            }
        }
    }
    enum Login: String, CaseIterable, Sendable { case none, right, wrong }

    private static let originSecret = "origin-secret"

    @Test(
        "section 2.4, R4: each cell of the matrix", arguments: ProtocolVariant.allCases,
        Path.allCases)
    func credentialsStayAtTheirOwnHop(_ variant: ProtocolVariant, _ path: Path) async throws {
        for login in Login.allCases {
            guard path != .direct || login == .none else {
                try await expectNoProxy(variant, login)
                continue
            }
            try await withStand(variant) { stand in
                let proxies = try path.hops.enumerated().map { index, kind in
                    try MatrixProxy(kind, number: index + 1, asksForLogin: login != .none)
                }
                defer { for proxy in proxies { proxy.stop() } }
                // Of several proxies, the last one receives the wrong credentials.
                let endpoints = try proxies.enumerated().map { index, proxy in
                    try proxy.endpoint(
                        login == .wrong && index < proxies.count - 1 ? .right : login)
                }
                let client = ExecutorClient(
                    stand.engine, proxy: endpoints.isEmpty ? .direct : .chain(endpoints),
                    versions: variant.versions)
                if isForwarded(stand, proxies), proxies.last?.kind == .httpsOverHTTP2 {
                    try await expectNoCommonProtocol(client, stand, proxies)
                } else if login == .wrong {
                    try await expectRefusal(client, stand, proxies)
                } else {
                    try await expectPassage(client, stand, proxies)
                }
                await stand.engine.shutdown()
                // A dial of another test, to a port that was free, may look in for a moment.
                try await eventually("no descriptor is left") {
                    proxies.first.map { descriptors(connectedTo: $0.port) == 0 } ?? true
                }
            }
        }
    }

    private func isForwarded(_ stand: Stand, _ proxies: [MatrixProxy]) -> Bool {
        stand.variant == .http1 && proxies.last?.kind.speaksHTTP == true
    }

    private func expectPassage(
        _ client: ExecutorClient, _ stand: Stand, _ proxies: [MatrixProxy]
    ) async throws {
        var request = try HTTPRequest.get(stand.url("/headers"))
        request.headerFields[.authorization] = "Bearer \(DialMatrixTests.originSecret)"
        for _ in 0..<2 {
            let response = try await client.send(request)
            let head = String(try await response.body.collect(upTo: 1 << 16)).lowercased()
            #expect(response.status == .ok)
            #expect(head.contains(DialMatrixTests.originSecret))
            #expect(!head.contains("proxy-"), "\(head)")
            for proxy in proxies {
                for secret in proxy.secrets {
                    #expect(!head.contains(secret.lowercased()), "\(head)")
                }
            }
            #expect(!head.contains("connection:"), "\(head)")
        }
        // R4: two requests, one connection at every hop.
        #expect(stand.server.counters.connectionsAccepted == 1)
        for (index, proxy) in proxies.enumerated() {
            let isLast = index == proxies.count - 1
            let forwards = isLast && isForwarded(stand, proxies)
            #expect(proxy.connections == 1)
            #expect(proxy.seen.count == (forwards ? 2 : 1), "\(proxy.seen)")
            let target = isLast ? stand.server.port : proxies[index + 1].port
            for seen in proxy.seen {
                #expect(seen.contains(DialMatrixTests.originSecret) == forwards, "\(seen)")
                for other in proxies where other.number != proxy.number {
                    for secret in other.secrets { #expect(!seen.contains(secret), "\(seen)") }
                }
                // A name goes to the proxy where the proxy is to resolve it, and nowhere else.
                let host = proxy.kind == .socks5 ? "127.0.0.1" : "localhost"
                let method = forwards ? "GET http://" : proxy.kind.speaksHTTP ? "CONNECT " : ""
                #expect(seen.hasPrefix("\(method)\(host):\(target)"), "\(seen)")
            }
            #expect(proxy.hasSeenRightLogin, "\(proxy.seen)")
        }
    }

    private func expectRefusal(
        _ client: ExecutorClient, _ stand: Stand, _ proxies: [MatrixProxy]
    ) async throws {
        var request = try HTTPRequest.get(stand.url("/headers"))
        request.headerFields[.authorization] = "Bearer \(DialMatrixTests.originSecret)"
        if isForwarded(stand, proxies) {
            // The proxy itself is the server of a forwarded request: its answer is the response.
            #expect(try await client.send(request).status.code == 407)
        } else {
            let error = await transportError { _ = try await client.send(request) }
            #expect(error?.kind.name == "proxy", "\(String(describing: error))")
            #expect(error?.hop == .proxy)
            #expect(error?.replay == .notSent)
            let text = String(describing: error)
            for secret in proxies.flatMap(\.secrets) + [DialMatrixTests.originSecret, "not-it"] {
                #expect(!text.contains(secret), "\(text)")
            }
            #expect(stand.engine.snapshot().connections == 0)
        }
        for (index, proxy) in proxies.enumerated() {
            #expect(proxy.connections == 1)
            let isLast = index == proxies.count - 1
            let forwards = isLast && isForwarded(stand, proxies)
            // SOCKS 5 hears who we are before it hears of any target.
            let isRefusedBefore = isLast && [.socks5, .socks5h].contains(proxy.kind)
            #expect(proxy.seen.count == (isRefusedBefore ? 0 : 1), "\(proxy.seen)")
            for seen in proxy.seen {
                #expect(seen.contains(DialMatrixTests.originSecret) == forwards, "\(seen)")
                let wrong = "user\(proxy.number):not-it".base64
                #expect(seen.contains(wrong) == (isLast && proxy.kind.speaksHTTP), "\(seen)")
                for other in proxies where other.number != proxy.number {
                    for secret in other.secrets { #expect(!seen.contains(secret), "\(seen)") }
                }
            }
            #expect(isLast || proxy.hasSeenRightLogin, "\(proxy.seen)")
        }
        #expect(stand.server.counters.connectionsAccepted == 0)
    }

    /// A proxy is configured, with credentials, and the origin is an exception to it.
    private func expectNoProxy(_ variant: ProtocolVariant, _ login: Login) async throws {
        try await withStand(variant) { stand in
            let proxy = try MatrixProxy(.http, number: 1, asksForLogin: true)
            defer { proxy.stop() }
            let setting = ProxySetting.proxy(try proxy.endpoint(login))
            let rules = ProxyRules(
                http: setting, https: setting, except: try ProxyExceptions(parsing: "localhost"))
            let client = ExecutorClient(
                stand.engine, proxy: .rules(rules), versions: variant.versions)
            try await expectPassage(client, stand, [])
            #expect(proxy.connections == 0)
        }
    }

    /// What is forwarded goes in HTTP/1.1, which this proxy does not speak: nothing leaves.
    private func expectNoCommonProtocol(
        _ client: ExecutorClient, _ stand: Stand, _ proxies: [MatrixProxy]
    ) async throws {
        let error = await dialError(client, stand.url("/headers"))
        #expect(error?.kind == .tlsHandshake, "\(String(describing: error))")
        #expect(error?.phase == .tls)
        #expect(error?.hop == .proxy)
        for proxy in proxies { #expect(proxy.seen.isEmpty) }
        #expect(stand.server.counters.connectionsAccepted == 0)
    }
}
