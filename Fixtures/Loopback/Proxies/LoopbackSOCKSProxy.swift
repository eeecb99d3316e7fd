#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A SOCKS5 proxy (RFC 1928, with RFC 1929's passwords) that also supports SOCKS 4a, to loopback
/// targets only.
package final class LoopbackSOCKSProxy: Sendable {
    package struct Options: Sendable {
        /// Require these credentials; `nil` requires none.
        package var credentials: LoopbackCredentials?
        /// Choose this method, whatever the client offers.
        package var method: UInt8?
        /// Answer every request with this reply code, 1 to 8 being failures.
        package var reply: UInt8?
        /// The address form of the reply.
        package var boundAddress = BoundAddress.ipv4
        /// Send each byte of the handshake separately.
        package var sendsByteByByte = false
        /// The delay of each answer.
        package var delay: Duration?
        /// Read the greeting and never answer.
        package var isSilent = false
        package var ipv6 = false

        package init() {}
    }

    /// The address form of a reply, as in its ATYP.
    package enum BoundAddress: Sendable, CaseIterable {
        case ipv4, ipv6, name
    }

    /// One request as received.
    package struct Request: Sendable, Hashable {
        package enum Kind: Sendable { case ipv4, ipv6, name }
        package var kind: Kind
        /// The literal or the name.
        package var host: String
        package var port: UInt16
        package var credentials: LoopbackCredentials?
        /// 4 or 5.
        package var version: UInt8 = 5

        package init(
            kind: Kind, host: String, port: UInt16, credentials: LoopbackCredentials? = nil
        ) {
            self.kind = kind
            self.host = host
            self.port = port
            self.credentials = credentials
        }
    }

    package let port: UInt16
    private let listener: Listener
    private let record: ProxyRecord<Request>

    package init(_ options: Options = .init()) throws {
        let record = ProxyRecord<Request>()
        listener = try Listener(name: "socks", ipv6: options.ipv6)
        port = listener.port
        self.record = record
        try listener.start(counting: record) { client in
            var connection = SOCKSConnection(client: client, options: options, record: record)
            connection.serve()
        }
    }

    deinit {
        stop()
    }

    package var counters: LoopbackProxyCounters { record.counters }

    /// Every request, in the order of arrival.
    package var requests: [Request] { record.requests }

    /// Closes everything and joins every thread; a second call does nothing.
    package func stop() {
        listener.stop()
    }
}

/// Serves one client of the SOCKS proxy.
private struct SOCKSConnection {
    let client: Channel
    let options: LoopbackSOCKSProxy.Options
    let record: ProxyRecord<LoopbackSOCKSProxy.Request>
    private var credentials: LoopbackCredentials?

    init(
        client: Channel, options: LoopbackSOCKSProxy.Options,
        record: ProxyRecord<LoopbackSOCKSProxy.Request>
    ) {
        self.client = client
        self.options = options
        self.record = record
    }

    mutating func serve() {
        guard let version = peekVersion() else { return refused() }
        guard version != 4 else { return serveVersion4() }
        guard authenticate(), let request = receiveRequest() else { return refused() }
        record.append(request)
        if let code = options.reply, code != 0 { return refused(with: code) }
        // 4 is "host unreachable", 5 "connection refused".
        guard let address = SocketAddress.resolve(request.host, port: request.port) else {
            return refused(with: 4)
        }
        guard let descriptor = address.connect() else { return refused(with: 5) }
        defer { close(descriptor) }
        guard send(reply(0)) else { return }
        relay(to: descriptor)
    }

    private func relay(to descriptor: Int32) {
        record.count { $0.established += 1 }
        let origin = Channel(descriptor: descriptor, meter: record.meter())
        var relay = Relay(client: client, origin: origin)
        _ = relay.run(Relay.tunnel)
    }

    // MARK: Version 4

    /// Serves one request; the user must equal the credentials' user.
    private func serveVersion4() {
        guard let head = receive(8), head[1] == 1, let user = receiveCString() else {
            return refused()
        }
        let port = UInt16(head[2]) << 8 | UInt16(head[3])
        var request = LoopbackSOCKSProxy.Request(
            kind: .ipv4, host: literal(AF_INET, Array(head[4...])) ?? "", port: port)
        if head[4] == 0, head[5] == 0, head[6] == 0, head[7] != 0 {
            guard let name = receiveCString() else { return refused() }
            (request.kind, request.host) = (.name, name)
        }
        request.version = 4
        if !user.isEmpty { request.credentials = .init(user: user, password: "") }
        if options.isSilent {
            _ = Socket.sleep(client.descriptor, until: nil)
            return
        }
        record.append(request)
        if let wanted = options.credentials, wanted.user != user { return refused(with: 93) }
        if let code = options.reply, code != 90 { return refused(with: code) }
        guard let address = SocketAddress.resolve(request.host, port: port),
            let descriptor = address.connect()
        else { return refused(with: 91) }
        defer { close(descriptor) }
        guard send([0, 90, head[2], head[3], 127, 0, 0, 1]) else { return }
        relay(to: descriptor)
    }

    private func receiveCString() -> String? {
        var bytes: [UInt8] = []
        while bytes.count <= 255 {
            guard let byte = receive(1)?.first else { return nil }
            if byte == 0 { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    private func peekVersion() -> UInt8? {
        while client.input.count < 1 {
            guard client.fill(waiting: true) == .bytes else { return nil }
        }
        return client.input.readable[0]
    }

    private func refused(with code: UInt8? = nil) {
        record.count { $0.refused += 1 }
        if let code { _ = send(code >= 90 ? [0, code, 0, 0, 0, 0, 0, 0] : reply(code)) }
        Socket.lingeringClose(client.descriptor)
    }

    // MARK: The handshake

    private mutating func authenticate() -> Bool {
        guard let head = receive(2), head[0] == 5, let methods = receive(Int(head[1])) else {
            return false
        }
        if options.isSilent {
            _ = Socket.sleep(client.descriptor, until: nil)
            return false
        }
        let wanted: UInt8 = options.credentials == nil ? 0 : 2
        let method = options.method ?? (methods.contains(wanted) ? wanted : 0xff)
        guard send([5, method]), method == wanted else { return false }
        guard let expected = options.credentials else { return true }
        guard let version = receive(1), version[0] == 1, let user = receiveText(),
            let password = receiveText()
        else { return false }
        let given = LoopbackCredentials(user: user, password: password)
        credentials = given
        return send([1, given == expected ? 0 : 1]) && given == expected
    }

    private func receiveRequest() -> LoopbackSOCKSProxy.Request? {
        guard let head = receive(4), head[0] == 5, head[1] == 1 else { return nil }
        let kind: LoopbackSOCKSProxy.Request.Kind
        let host: String?
        switch head[3] {
        case 1: (kind, host) = (.ipv4, receive(4).flatMap { literal(AF_INET, $0) })
        case 3: (kind, host) = (.name, receiveText())
        case 4: (kind, host) = (.ipv6, receive(16).flatMap { literal(AF_INET6, $0) })
        default: return nil
        }
        guard let host, let port = receive(2) else { return nil }
        return LoopbackSOCKSProxy.Request(
            kind: kind, host: host, port: UInt16(port[0]) << 8 | UInt16(port[1]),
            credentials: credentials)
    }

    private func reply(_ code: UInt8) -> [UInt8] {
        let address: [UInt8]
        switch options.boundAddress {
        case .ipv4: address = [1, 127, 0, 0, 1]
        case .ipv6: address = [4] + [UInt8](repeating: 0, count: 15) + [1]
        case .name: address = [3, 9] + Array("localhost".utf8)
        }
        return [5, code, 0] + address + [0, 80]
    }

    private func literal(_ family: Int32, _ bytes: [UInt8]) -> String? {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil else { return nil }
        return text.withUnsafeBufferPointer { $0.baseAddress.map { String(cString: $0) } }
    }

    // MARK: Bytes

    /// Exactly so many bytes; `nil` when the peer closes before.
    private func receive(_ count: Int) -> [UInt8]? {
        while client.input.count < count {
            guard client.fill(waiting: true) == .bytes else { return nil }
        }
        defer { client.input.consume(count) }
        return Array(client.input.readable[..<count])
    }

    /// A text after its length.
    private func receiveText() -> String? {
        receive(1).flatMap { receive(Int($0[0])) }.map { String(decoding: $0, as: UTF8.self) }
    }

    private func send(_ bytes: [UInt8]) -> Bool {
        if let delay = options.delay {
            let instant = Monotonic.after(delay)
            guard Socket.sleep(client.descriptor, until: instant) else { return false }
        }
        guard options.sendsByteByByte else {
            client.output.append(bytes)
            return client.flush()
        }
        return bytes.allSatisfy { byte in
            client.output.append([byte])
            return client.flush()
        }
    }
}
