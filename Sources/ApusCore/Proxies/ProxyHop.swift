/// A proxy as a place in the network: kind, host and port, without credentials and options.
package struct ProxyHop: Sendable, Hashable {
    package let kind: ProxyEndpoint.Kind
    package let port: UInt16
    private let host: ExactText

    package init(_ proxy: ProxyEndpoint) {
        kind = proxy.kind
        port = proxy.port
        host = ExactText(proxy.host)
    }
}

extension ProxyHop: CustomStringConvertible {
    /// As a proxy is shown: scheme, host and port, with brackets around IPv6.
    package var description: String { "\(kind.rawValue)://\(Host.withPort(host.text, port))" }
}
