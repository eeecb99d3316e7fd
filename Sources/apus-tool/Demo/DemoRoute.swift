import Apus
import Loopback

/// One row of the demonstration: a protocol, a server and a route to it.
struct DemoRoute: Sendable {
    let version: HTTPVersion
    let isSecure: Bool
    let server: String
    let way: String
    let url: String
    var proxy = ProxySetting.direct

    /// The protocol's name in the table.
    var protocolName: String {
        version.rawValue + (isSecure ? " over TLS" : "")
    }

    /// The HTTP versions that a client of this row may use.
    var versions: HTTPVersionPolicy {
        guard version == .http2 else { return .http1Only(alpn: .http1) }
        return isSecure ? .automatic : .http2Only
    }

    /// Every row; those of nginx only where it runs.
    static func all(servers: LoopbackServers, nginx: NginxProcess?) -> [DemoRoute] {
        let plain = "http://127.0.0.1:\(servers.plain.port)/bytes/1024"
        let secure = "https://localhost:\(servers.secure.port)/bytes/1024"
        let connect = proxy("http://127.0.0.1:\(servers.connectProxy.port)")
        let socks = proxy("socks5h://127.0.0.1:\(servers.socksProxy.port)")
        var routes = [
            DemoRoute(
                version: .http1, isSecure: false, server: "loopback", way: "direct", url: plain),
            DemoRoute(
                version: .http1, isSecure: true, server: "loopback", way: "direct", url: secure),
            DemoRoute(
                version: .http2, isSecure: false, server: "loopback", way: "direct", url: plain),
            DemoRoute(
                version: .http2, isSecure: true, server: "loopback", way: "direct", url: secure),
            DemoRoute(
                version: .http1, isSecure: true, server: "loopback", way: "CONNECT", url: secure,
                proxy: connect),
            DemoRoute(
                version: .http2, isSecure: true, server: "loopback", way: "CONNECT", url: secure,
                proxy: connect),
            DemoRoute(
                version: .http2, isSecure: true, server: "loopback", way: "SOCKS5", url: secure,
                proxy: socks),
        ]
        guard let nginx else { return routes }
        routes += [
            DemoRoute(
                version: .http1, isSecure: false, server: "nginx", way: "direct",
                url: "http://127.0.0.1:\(nginx.ports.plain)/"),
            DemoRoute(
                version: .http1, isSecure: true, server: "nginx", way: "direct",
                url: "https://localhost:\(nginx.ports.secure)/"),
            DemoRoute(
                version: .http2, isSecure: true, server: "nginx", way: "direct",
                url: "https://localhost:\(nginx.ports.http2)/"),
            DemoRoute(
                version: .http2, isSecure: true, server: "nginx", way: "CONNECT",
                url: "https://localhost:\(nginx.ports.http2)/", proxy: connect),
        ]
        return routes
    }

    /// A proxy setting from a URL that is always well formed.
    private static func proxy(_ url: String) -> ProxySetting {
        (try? ProxySetting(parsing: url)) ?? .direct
    }
}
