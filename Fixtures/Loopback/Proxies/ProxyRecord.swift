/// The user name and password that a proxy requires.
package struct LoopbackCredentials: Sendable, Hashable {
    package var user: String
    package var password: String

    package init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    /// As in the Basic scheme (RFC 7617).
    var basic: String { "Basic " + LoopbackCredentials.base64("\(user):\(password)") }

    private static func base64(_ text: String) -> String {
        let alphabet = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for (place, byte) in group.enumerated() { bits |= UInt32(byte) << (16 - 8 * place) }
            for digit in 0..<4 {
                let index = Int(bits >> (18 - 6 * digit) & 63)
                result.append(digit <= group.count ? alphabet[index] : UInt8(ascii: "="))
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// The counters of a proxy.
package struct LoopbackProxyCounters: Sendable, Hashable {
    package var connections = 0
    package var connectionsOpen = 0
    package var tlsHandshakes = 0
    package var tlsResumed = 0
    /// Tunnels and forwarding connections that reached their target.
    package var established = 0
    package var refused = 0
    package var bytesToOrigin = 0
    package var bytesToClient = 0
}

/// A proxy's counters and received requests, shared by its threads.
final class ProxyRecord<Request: Sendable>: Sendable {
    private struct State: Sendable {
        var counters = LoopbackProxyCounters()
        var requests: [Request] = []
    }
    private let state = Guarded(State())

    var counters: LoopbackProxyCounters { state.withLock { $0.counters } }
    var requests: [Request] { state.withLock { $0.requests } }

    func append(_ request: Request) { state.withLock { $0.requests.append(request) } }

    func count(_ body: (inout LoopbackProxyCounters) -> Void) {
        state.withLock { body(&$0.counters) }
    }

    func meter() -> OriginMeter<Request> { OriginMeter(record: self) }
}

extension Listener {
    /// Serves a proxy's clients, each counted, and over TLS where there is an acceptor.
    func start<Request>(
        counting record: ProxyRecord<Request>, over acceptor: TLSAcceptor? = nil,
        _ serve: @escaping @Sendable (Channel) -> Void
    ) throws {
        try start { descriptor, _ in
            record.count {
                $0.connections += 1
                $0.connectionsOpen += 1
            }
            defer { record.count { $0.connectionsOpen -= 1 } }
            let client = Channel(descriptor: descriptor)
            if let acceptor {
                guard client.acceptTLS(acceptor), let tls = client.tls else { return }
                record.count {
                    $0.tlsHandshakes += 1
                    if tls.isResumed { $0.tlsResumed += 1 }
                }
            }
            serve(client)
        }
    }
}

/// Counts the bytes between a proxy and an origin.
final class OriginMeter<Request: Sendable>: TrafficMeter {
    private let record: ProxyRecord<Request>

    init(record: ProxyRecord<Request>) {
        self.record = record
    }

    func sent(_ count: Int) { record.count { $0.bytesToOrigin += count } }
    func received(_ count: Int) { record.count { $0.bytesToClient += count } }
}
