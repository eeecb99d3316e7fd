#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// An HTTP proxy that tunnels (CONNECT) and forwards (absolute-form), to loopback targets only.
package final class LoopbackConnectProxy: Sendable {
    package struct Options: Sendable {
        /// Answer 407 to clients that do not send these.
        package var credentials: LoopbackCredentials?
        /// Use TLS with clients: an `https` proxy.
        package var tls: CertificateFiles?
        /// Request client certificates that this authority (a PEM file) has signed.
        package var clientCA: String?
        /// Answer every request with this status.
        package var refusal: Int?
        /// The body of refusals.
        package var refusalBody = "refused\n"
        /// Whether a refusal ends the connection.
        package var closesAfterRefusal = true
        /// The answer to a CONNECT, as it is sent.
        package var establishedHead = "HTTP/1.1 200 Connection established\r\n\r\n"
        /// The delay of each answer.
        package var delay: Duration?
        /// Read the request and never answer.
        package var isSilent = false
        /// The host to connect to, whatever host a request names; the port is kept.
        package var leadsTo: String?
        package var ipv6 = false
        /// Asked once for each connection; `nil`, the default, is no outage.
        package var outage: @Sendable () -> Outage? = { nil }
        /// Count concurrent connections at each accept; see `peakEstablished`.
        package var watchesEstablished = false

        package init() {}
    }

    /// What keeps the proxy from working.
    package enum Outage: Sendable, CaseIterable {
        /// Connections end before anything is read.
        case ends
        /// A tunnel is opened, and ends when its first bytes arrive.
        case opensAndEnds
    }

    package let port: UInt16
    private let listener: Listener
    private let record: ProxyRecord<String>

    package init(_ options: Options = .init()) throws {
        let record = ProxyRecord<String>()
        var acceptor: TLSAcceptor?
        if let certificate = options.tls {
            acceptor = try TLSAcceptor(
                TLSAcceptor.Settings(
                    certificate: certificate, protocols: ["http/1.1"], clientCA: options.clientCA))
        }
        listener = try Listener(name: "proxy", ipv6: options.ipv6)
        port = listener.port
        self.record = record
        if options.watchesEstablished { listener.watchEstablished() }
        try listener.start(counting: record, over: acceptor) { client in
            HTTPProxyConnection(client: client, options: options, record: record).serve()
        }
    }

    deinit {
        stop()
    }

    package var counters: LoopbackProxyCounters { record.counters }

    /// The most connections at once that their clients had not closed; 0 unless
    /// `watchesEstablished`.
    package var peakEstablished: Int { listener.peakEstablished }

    /// The heads of all requests to the proxy itself, as received.
    package var requests: [String] { record.requests }

    /// The heads of the CONNECT requests.
    package var connectRequests: [String] { requests.filter { $0.hasPrefix("CONNECT ") } }

    /// Closes everything and joins every thread; a second call does nothing.
    package func stop() {
        listener.stop()
    }
}

/// Serves one client of the HTTP proxy.
private struct HTTPProxyConnection {
    let client: Channel
    let options: LoopbackConnectProxy.Options
    let record: ProxyRecord<String>

    func serve() {
        switch options.outage() {
        case nil:
            while serveOne() {}
            client.sendCloseNotify()
        case .ends: return
        case .opensAndEnds: openAndEnd()
        }
    }

    private func openAndEnd() {
        guard let length = receiveHead() else { return }
        client.input.consume(length)
        client.output.append(options.establishedHead)
        if client.flush(), client.input.count == 0 { _ = client.fill(waiting: true) }
    }

    /// Serves requests until one is for another origin; `false` when the connection has ended.
    private func serveOne() -> Bool {
        guard let length = receiveHead() else { return false }
        let bytes = UnsafeRawBufferPointer(rebasing: client.input.readable[..<length])
        guard let head = RequestHead(bytes) else { return false }
        record.append(String(decoding: bytes, as: UTF8.self))
        let isAuthorized = HTTPProxyConnection.isAuthorized(bytes, options.credentials)
        if options.isSilent {
            _ = Socket.sleep(client.descriptor, until: nil)
            return false
        }
        if let delay = options.delay {
            guard Socket.sleep(client.descriptor, until: Monotonic.after(delay)) else {
                return false
            }
        }
        guard isAuthorized else { return refuse(407, head, length) }
        if let status = options.refusal { return refuse(status, head, length) }
        guard let (host, port) = ProxyTarget.authority(of: head),
            let address = SocketAddress.resolve(options.leadsTo ?? host, port: port)
        else { return refuse(403, head, length) }
        guard let descriptor = address.connect() else { return refuse(502, head, length) }
        defer { close(descriptor) }
        record.count { $0.established += 1 }
        let origin = Channel(descriptor: descriptor, meter: record.meter())
        guard head.method == "CONNECT" else { return forward(to: origin, host, port) }
        client.input.consume(length)
        client.output.append(options.establishedHead)
        guard client.flush() else { return false }
        var relay = Relay(client: client, origin: origin)
        _ = relay.run(Relay.tunnel)
        return false
    }

    private func receiveHead() -> Int? {
        while true {
            if let length = RequestHead.length(in: client.input.readable) { return length }
            guard client.input.count < 256 * 1024, client.flush(),
                client.fill(waiting: true) == .bytes
            else { return nil }
        }
    }

    private func refuse(_ status: Int, _ head: RequestHead, _ length: Int) -> Bool {
        record.count { $0.refused += 1 }
        client.input.consume(length)
        let body = head.method == "HEAD" ? "" : options.refusalBody
        var answer = "HTTP/1.1 \(status) \(Reply.reason(status))\r\n"
        if status == 407 { answer += "Proxy-Authenticate: Basic realm=\"loopback\"\r\n" }
        answer += "Content-Length: \(options.refusalBody.utf8.count)\r\n"
        if options.closesAfterRefusal { answer += "Connection: close\r\n" }
        client.output.append(answer + "\r\n" + body)
        guard client.flush() else { return false }
        if options.closesAfterRefusal {
            client.sendCloseNotify()
            Socket.lingeringClose(client.descriptor)
            return false
        }
        var content = HTTP1Content(
            channel: client, framing: head.framing, owesContinue: head.expectsContinue)
        return content.discard() != nil
    }

    /// Passes requests on while they are for the same origin and authorized.
    private func forward(to origin: Channel, _ host: String, _ port: UInt16) -> Bool {
        var forwarder = RequestForwarder(
            host: host, port: port, credentials: options.credentials, record: record)
        var relay = Relay(client: client, origin: origin)
        return relay.run { forwarder.forward($0, $1) } == .interrupted
    }

    static func isAuthorized(
        _ head: UnsafeRawBufferPointer, _ credentials: LoopbackCredentials?
    ) -> Bool {
        guard let expected = credentials?.basic else { return true }
        var isFound = false
        FieldLines.forEach(head) { name, value in
            if FieldLines.matches(name, "proxy-authorization") {
                isFound = value.elementsEqual(expected.utf8)
            }
        }
        return isFound
    }
}

/// Rewrites absolute-form requests for the origin they name (RFC 9112, section 3.2).
private struct RequestForwarder {
    let host: String
    let port: UInt16
    let credentials: LoopbackCredentials?
    let record: ProxyRecord<String>
    private var body = RequestBodyDecoder(.none)
    /// The first head is in the record already.
    private var isFirst = true

    init(
        host: String, port: UInt16, credentials: LoopbackCredentials?, record: ProxyRecord<String>
    ) {
        self.host = host
        self.port = port
        self.credentials = credentials
        self.record = record
    }

    mutating func forward(_ client: ByteQueue, _ origin: ByteQueue) -> Bool {
        while true {
            switch body.next(in: client.readable) {
            case .progress(let consumed, _):
                // Includes chunk lines: the framing is not changed.
                origin.append(UnsafeRawBufferPointer(rebasing: client.readable[..<consumed]))
                client.consume(consumed)
            case .needsMore: return true
            case .malformed: return false
            case .finished:
                guard let length = RequestHead.length(in: client.readable) else { return true }
                let bytes = UnsafeRawBufferPointer(rebasing: client.readable[..<length])
                guard let head = RequestHead(bytes), head.method != "CONNECT",
                    let target = ProxyTarget.authority(of: head), target == (host, port),
                    HTTPProxyConnection.isAuthorized(bytes, credentials)
                else { return false }
                if !isFirst { record.append(String(decoding: bytes, as: UTF8.self)) }
                isFirst = false
                rewrite(head, bytes, into: origin)
                client.consume(length)
                body = RequestBodyDecoder(head.framing)
            }
        }
    }

    private func rewrite(
        _ head: RequestHead, _ bytes: UnsafeRawBufferPointer, into origin: ByteQueue
    ) {
        origin.append("\(head.method) \(ProxyTarget.path(of: head)) HTTP/1.1\r\n")
        guard let line = bytes.firstIndex(of: 10) else { return }
        let fields = UnsafeRawBufferPointer(rebasing: bytes[(line + 1)...])
        FieldLines.forEach(fields) { name, value in
            if FieldLines.matches(name, "proxy-authorization")
                || FieldLines.matches(name, "proxy-connection")
            {
                return
            }
            origin.append(name)
            origin.append(": " as StaticString)
            origin.append(value)
            origin.append("\r\n" as StaticString)
        }
        origin.append("\r\n" as StaticString)
    }
}

/// The targets of requests to a proxy.
private enum ProxyTarget {
    /// Host and port of a CONNECT or of an absolute `http` URL.
    static func authority(of head: RequestHead) -> (String, UInt16)? {
        guard head.method != "CONNECT" else { return split(head.target[...], defaultPort: nil) }
        guard head.target.lowercased().hasPrefix("http://") else { return nil }
        let rest = head.target.dropFirst(7)
        return split(rest.prefix { $0 != "/" && $0 != "?" }, defaultPort: 80)
    }

    /// The origin form of an absolute URL.
    static func path(of head: RequestHead) -> String {
        let rest = head.target.dropFirst(7).drop { $0 != "/" && $0 != "?" }
        return rest.hasPrefix("/") ? String(rest) : "/" + rest
    }

    private static func split(
        _ authority: Substring, defaultPort: UInt16?
    ) -> (String, UInt16)? {
        let end = authority.lastIndex(of: "]") ?? authority.startIndex
        guard let colon = authority[end...].lastIndex(of: ":") else {
            return defaultPort.map { (String(authority), $0) }
        }
        guard let port = UInt16(authority[authority.index(after: colon)...]) else { return nil }
        return (String(authority[..<colon]), port)
    }
}
