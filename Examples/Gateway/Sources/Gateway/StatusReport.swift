package import Apus
import ApusRetry
import FoundationEssentials
import Hummingbird
import NIOCore

/// What `GET /status` shows: the engines' snapshots, the health of credentials and proxies, and the
/// last requests.
package struct StatusReport: Sendable, Codable {
    package var uptimeSeconds: Double
    package var totals: Journal.Totals
    package var upstreams: [Upstream]
    package var proxies: [ProxyHealth.State]
    /// The shared engine first, then those that upstreams have of their own.
    package var engines: [Engine]
    package var recent: [JournalEntry]

    package struct Upstream: Sendable, Codable {
        package let name: String
        package let origin: String
        package let credentials: [Credential]
    }

    package struct Credential: Sendable, Codable {
        package let name: String
        package let proxy: String
        /// Failures since the last success.
        package let failures: Int
        /// How long it is still put aside; `nil` when it is not.
        package let asideSeconds: Double?
    }

    package struct Engine: Sendable, Codable {
        package let name: String
        package let snapshot: EngineSnapshot
    }

    package init(_ gateway: Gateway) {
        uptimeSeconds = (ContinuousClock.now - gateway.started).inSeconds
        totals = gateway.journal.totals
        proxies = gateway.proxies.all
        recent = gateway.journal.recent
        upstreams = gateway.upstreams.map { upstream in
            Upstream(
                name: upstream.configuration.name, origin: "\(upstream.origin)",
                credentials: zip(upstream.credentials, upstream.rotation.state()).map {
                    Credential(
                        name: $0.name, proxy: $0.proxy.text, failures: $1.failures,
                        asideSeconds: $1.asideFor?.inSeconds)
                })
        }
        let own = gateway.upstreams.filter { $0.engine !== gateway.engine }
        engines =
            [Engine(name: "shared", snapshot: gateway.engine.snapshot())]
            + own.map { Engine(name: $0.configuration.name, snapshot: $0.engine.snapshot()) }
    }

    /// The page for browsers, JSON for all others.
    func response(to request: Hummingbird.Request) -> Hummingbird.Response {
        let wantsPage = request.headers[.accept]?.contains("text/html") == true
        let type = wantsPage ? "text/html; charset=utf-8" : "application/json"
        return Hummingbird.Response(
            status: .ok, headers: [.contentType: type, .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(string: wantsPage ? StatusPage(self).html : json)))
    }

    package var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }
}

extension ProxySetting {
    /// The proxies without credentials, or "direct".
    fileprivate var text: String {
        switch self {
        case .inherit, .direct: "direct"
        case .proxy(let endpoint): "\(endpoint)"
        case .chain(let endpoints): endpoints.map(\.description).joined(separator: " then ")
        case .rules: "by rules"
        }
    }
}
