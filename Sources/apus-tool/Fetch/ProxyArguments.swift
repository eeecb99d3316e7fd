import Apus
import ArgumentParser

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Options of proxies, with credentials.
struct ProxyArguments: ParsableArguments {
    @Option(
        name: [.customShort("x"), .long],
        help: ArgumentHelp(
            "http://, https://, socks4a://, socks5:// or socks5h://[user:password@]host:port; or "
                + "'direct'. Several make a chain, the nearest first.",
            valueName: "proxy"))
    var proxy: [String] = []

    @Option(help: ArgumentHelp("A proxy on the way to the first -x.", valueName: "proxy"))
    var preproxy: String?

    @Option(
        name: [.customShort("U"), .long],
        help: ArgumentHelp("The credentials for the last proxy.", valueName: "user:password"))
    var proxyUser: String?

    @Flag(help: "Send user and password only when the last proxy asks by 407.")
    var proxyAnyauth = false

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A field for the last proxy only, as 'Name: value'; repeat for more.",
            valueName: "field"))
    var proxyHeader: [String] = []

    @Option(
        help: ArgumentHelp("Trust only these certificates for https proxies.", valueName: "file"))
    var proxyCacert: String?

    @Option(help: ArgumentHelp("A client certificate (PEM) for https proxies.", valueName: "file"))
    var proxyCert: String?

    @Option(help: ArgumentHelp("Its key, when it is in another file.", valueName: "file"))
    var proxyKey: String?

    @Flag(help: "Accept any certificate of an https proxy.")
    var proxyInsecure = false

    @Flag(name: .customLong("proxy-http1.1"), help: "Do not offer HTTP/2 to https proxies.")
    var offersNoHTTP2 = false

    @Option(
        help: ArgumentHelp(
            "Hosts reached without a proxy, as in NO_PROXY.", valueName: "list"))
    var noproxy: String?

    @Flag(
        help: "Without -x, use http_proxy, https_proxy, all_proxy and no_proxy.")
    var proxyEnvironment = false

    func validate() throws {
        if proxy.isEmpty {
            let needy = [
                ("--preproxy", preproxy != nil), ("--proxy-user", proxyUser != nil),
                ("--proxy-anyauth", proxyAnyauth), ("--proxy-header", !proxyHeader.isEmpty),
            ]
            if let name = needy.first(where: \.1)?.0 { throw ValidationError("\(name) needs -x") }
        }
        if proxyKey != nil, proxyCert == nil {
            throw ValidationError("--proxy-key needs --proxy-cert")
        }
        do throws(InvalidProxy) {
            _ = try setting(roots: .system)
        } catch {
            throw ValidationError("-x: \(error)")
        }
    }

    /// - Parameter roots: the roots for https proxies, unless the options name others.
    func setting(roots: EngineTuning.TLS.Roots) throws(InvalidProxy) -> ProxySetting {
        let found: ProxySetting =
            if !proxy.isEmpty {
                try chain(roots)
            } else if proxyEnvironment {
                try ProxySetting.fromEnvironment(environment())
            } else {
                .inherit
            }
        guard let noproxy, found != .inherit else { return found }
        return .rules(
            ProxyRules(http: found, https: found, except: try ProxyExceptions(parsing: noproxy)))
    }

    private func chain(_ roots: EngineTuning.TLS.Roots) throws(InvalidProxy) -> ProxySetting {
        let texts = (preproxy.map { [$0] } ?? []) + proxy
        if texts.count == 1 {
            switch try ProxySetting(parsing: texts[0]) {
            case .direct: return .direct
            case .inherit: return .inherit
            default: break
            }
        }
        guard texts.count <= ProxySetting.maxProxies else {
            throw InvalidProxy(
                reason: "\(texts.count) proxies are more than \(ProxySetting.maxProxies)")
        }
        var endpoints: [ProxyEndpoint] = []
        for (index, text) in texts.enumerated() {
            endpoints.append(try endpoint(text, isLast: index == texts.count - 1, roots))
        }
        return endpoints.count == 1 ? .proxy(endpoints[0]) : .chain(endpoints)
    }

    private func endpoint(
        _ text: String, isLast: Bool, _ roots: EngineTuning.TLS.Roots
    ) throws(InvalidProxy) -> ProxyEndpoint {
        let plain = try ProxyEndpoint(parsing: text)
        var options = ProxyEndpoint.Options()
        if plain.kind == .https { options.tls = tls(roots) }
        options.allowsHTTP2 = !offersNoHTTP2
        var credentials = plain.credentials
        if isLast {
            options.fields = try fields()
            if proxyAnyauth { options.authentication = .whenAsked }
            if let proxyUser {
                let parts = proxyUser.split(
                    separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                credentials = try ProxyCredentials(
                    user: String(parts[0]), password: parts.count == 2 ? String(parts[1]) : "")
            }
        }
        return try ProxyEndpoint(
            kind: plain.kind, host: plain.host, port: Int(plain.port), credentials: credentials,
            options: options)
    }

    /// `nil` where the options leave the engine's defaults for proxies.
    private func tls(_ roots: EngineTuning.TLS.Roots) -> EngineTuning.TLS? {
        guard proxyCacert != nil || proxyCert != nil || proxyInsecure else { return nil }
        var tls = EngineTuning.TLS()
        tls.roots = proxyCacert.map { .file($0) } ?? roots
        if let proxyCert {
            tls.identity = .init(certificateFile: proxyCert, keyFile: proxyKey ?? proxyCert)
        }
        tls.insecureSkipVerify = proxyInsecure
        return tls
    }

    private func fields() throws(InvalidProxy) -> HTTPFields {
        var fields = HTTPFields()
        for text in proxyHeader {
            guard let field = try? RequestArguments.field(parsing: text) else {
                throw InvalidProxy(reason: "--proxy-header is not 'Name: value'")
            }
            fields.append(field)
        }
        return fields
    }

    /// The proxy variables, read here because the engine reads none.
    private func environment() -> [String: String] {
        var variables: [String: String] = [:]
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method"] {
            for name in [name, name.uppercased()] {
                if let value = getenv(name) { variables[name] = String(cString: value) }
            }
        }
        return variables
    }
}
