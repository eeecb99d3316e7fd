import Apus
import ArgumentParser

/// Options of the connection: versions, TLS, addresses, timeouts.
struct ConnectionArguments: ParsableArguments {
    @Flag(name: [.long, .customLong("http1.1")], help: "HTTP/1.1 only, also in ALPN.")
    var http1 = false

    @Flag(help: "HTTP/2 only over TLS; http URLs use HTTP/1.1.")
    var http2 = false

    @Flag(help: "HTTP/2 only, without TLS too.")
    var http2PriorKnowledge = false

    @Flag(
        name: .customLong("no-alpn"),
        help: "HTTP/1.1 only, without the ALPN extension in the handshake.")
    var isWithoutALPN = false

    @Option(help: ArgumentHelp("Trust only the certificates in this file.", valueName: "file"))
    var cacert: String?

    @Option(
        name: [.customShort("E"), .long],
        help: ArgumentHelp("A client certificate (PEM).", valueName: "file"))
    var cert: String?

    @Option(help: ArgumentHelp("Its key, when it is in another file.", valueName: "file"))
    var key: String?

    @Flag(name: [.customShort("k"), .long], help: "Accept any certificate.")
    var insecure = false

    @Option(
        help: ArgumentHelp(
            "Connect to this address for that host and port; repeat for more.",
            valueName: "host:port:address"))
    var resolve: [AddressOverride] = []

    @Option(help: ArgumentHelp("The timeout for getting a connection.", valueName: "seconds"))
    var connectTimeout: Seconds?

    @Option(
        name: [.customShort("m"), .long],
        help: ArgumentHelp("The timeout for a whole exchange.", valueName: "seconds"))
    var maxTime: Seconds?

    @Option(
        help: ArgumentHelp("Share connections only within this scope.", valueName: "name"))
    var isolation: String?

    @Flag(help: "A new connection for each exchange.")
    var fresh = false

    func validate() throws {
        if [http1, http2, http2PriorKnowledge, isWithoutALPN].filter(\.self).count > 1 {
            throw ValidationError(
                "--http1, --http2, --http2-prior-knowledge and --no-alpn exclude each other")
        }
        if key != nil, cert == nil { throw ValidationError("--key needs --cert") }
    }

    /// The executor preset with the changes of the options.
    func tuning(concurrency: Int) -> EngineTuning {
        var tuning = EngineTuning.executor
        tuning.pool.maxIdlePerHost = max(20, concurrency)
        tuning.pool.maxWaitersPerHost = max(1024, concurrency)
        if let cacert { tuning.tls.roots = .file(cacert) }
        if let cert { tuning.tls.identity = .init(certificateFile: cert, keyFile: key ?? cert) }
        tuning.tls.insecureSkipVerify = insecure
        if let budget = connectTimeout?.duration {
            // One timeout for the whole dial: no step of it may end sooner.
            tuning.dial.resolveTimeout = budget
            tuning.dial.tcpTimeout = budget
            tuning.dial.tlsTimeout = budget
            tuning.dial.proxyTimeout = budget
            tuning.dial.connectTimeout = budget
        }
        return tuning
    }

    /// Which versions a URL of this scheme may use.
    func versions(for scheme: Scheme) -> HTTPVersionPolicy {
        if isWithoutALPN { return .http1Only(alpn: .omit) }
        if http1 { return .http1Only(alpn: .http1) }
        if http2PriorKnowledge || (http2 && scheme == .https) { return .http2Only }
        return .automatic
    }

    func options() -> RequestOptions {
        var options = RequestOptions()
        options.totalTimeout = maxTime?.duration
        // Only the user chose it.
        options.allowsConnectAndTrace = true
        options.reuse = fresh ? .fresh : .pooled
        return options
    }

    /// Where to connect for an origin; `nil` without a `--resolve` for it.
    func target(for origin: Origin) -> ConnectTarget? {
        let match = resolve.first { $0.host == origin.host && $0.port == origin.port }
        return match.map { .address($0.address, port: $0.port) }
    }
}

/// A number of seconds above zero, with an optional fraction.
struct Seconds: ExpressibleByArgument {
    let duration: Duration

    init?(argument: String) {
        guard let value = Double(argument), value > 0, value <= 1e9 else { return nil }
        duration = .seconds(value)
    }
}

/// One `--resolve`: the address for a host and port.
struct AddressOverride: ExpressibleByArgument {
    let host: String
    let port: UInt16
    let address: String

    init?(argument: String) {
        // The host may be an IPv6 literal in brackets, and the address may contain colons.
        let hostEnd =
            argument.hasPrefix("[")
            ? argument.firstIndex(of: "]").map { argument.index(after: $0) }
            : argument.firstIndex(of: ":")
        guard let hostEnd, hostEnd < argument.endIndex, argument[hostEnd] == ":" else { return nil }
        let rest = argument[hostEnd...].dropFirst()
        guard let portEnd = rest.firstIndex(of: ":"), let port = Int(rest[..<portEnd]),
            let origin = try? Origin(
                scheme: .http, host: String(argument[..<hostEnd]), port: port)
        else { return nil }
        var address = String(rest[portEnd...].dropFirst())
        if address.hasPrefix("["), address.hasSuffix("]") {
            address = String(address.dropFirst().dropLast())
        }
        guard !address.isEmpty else { return nil }
        host = origin.host
        self.port = origin.port
        self.address = address
    }
}
