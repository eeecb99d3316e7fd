import CApusOpenSSL

#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A web-socket server (RFC 6455) that sends every message back, frame by frame.
///
/// Paths: `/echo`; `/refuse` answers 403 and `no\n`; `/wrong` answers another key's accept;
/// `/silent` reads the handshake and nothing more; `/subprotocol/NAME` chooses that one;
/// `/extension` chooses permessage-deflate. Compression is never spoken.
package final class LoopbackWebSocketServer: Sendable {
    package let port: UInt16
    private let listener: Listener
    private let record: ProxyRecord<String>

    /// Creates a server, with TLS when there is a certificate.
    package init(tls: CertificateFiles? = nil) throws {
        let record = ProxyRecord<String>()
        var acceptor: TLSAcceptor?
        if let tls {
            acceptor = try TLSAcceptor(
                TLSAcceptor.Settings(certificate: tls, protocols: ["http/1.1"]))
        }
        listener = try Listener(name: "web-socket", ipv6: false)
        port = listener.port
        self.record = record
        try listener.start(counting: record, over: acceptor) { client in
            WebSocketEcho(client: client, record: record).serve()
        }
    }

    deinit {
        stop()
    }

    /// The heads of all handshakes, as received.
    package var handshakes: [String] { record.requests }

    /// The connections that are open.
    package var connectionsOpen: Int { record.counters.connectionsOpen }

    /// Closes everything and joins every thread; a second call does nothing.
    package func stop() {
        listener.stop()
    }
}

/// One connection of the server.
private struct WebSocketEcho {
    let client: Channel
    let record: ProxyRecord<String>

    func serve() {
        var length: Int?
        while length == nil {
            length = RequestHead.length(in: client.input.readable)
            guard length != nil || client.fill(waiting: true) == .bytes else { return }
        }
        guard let length else { return }
        let head = String(decoding: client.input.readable[..<length], as: UTF8.self)
        client.input.consume(length)
        record.append(head)
        guard answer(head) else { return }
        while echoFrame() {}
    }

    /// Answers the handshake; `false` when no frames follow.
    private func answer(_ head: String) -> Bool {
        let path = head.split(separator: " ").dropFirst().first ?? ""
        if path.hasSuffix("/refuse") {
            client.output.append(
                Array("HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno\n".utf8))
            _ = client.flush()
            return false
        }
        if path.hasSuffix("/silent") {
            while client.fill(waiting: true) == .bytes { client.input.removeAll() }
            return false
        }
        let key =
            head.split(separator: "\r\n").first {
                $0.lowercased().hasPrefix("sec-websocket-key:")
            }?.split(separator: " ").last ?? ""
        let accept = path.hasSuffix("/wrong") ? "wrong" : Self.accept(String(key))
        var answer =
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nconnection: Upgrade\r\n"
            + "sec-websocket-accept: \(accept)\r\n"
        if path.contains("/subprotocol/"), let name = path.split(separator: "/").last {
            answer += "sec-websocket-protocol: \(name)\r\n"
        }
        if path.hasSuffix("/extension") {
            answer += "sec-websocket-extensions: permessage-deflate\r\n"
        }
        client.output.append(Array((answer + "\r\n").utf8))
        return client.flush()
    }

    private static func accept(_ key: String) -> String {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: 20)
        SHA1(text, text.count, &digest)
        var base64 = [UInt8](repeating: 0, count: 29)
        EVP_EncodeBlock(&base64, digest, 20)
        return String(decoding: base64.dropLast(), as: UTF8.self)
    }

    /// Sends one frame back; `false` at the end.
    private func echoFrame() -> Bool {
        guard let start = take(2) else { return false }
        var length = Int(start[1] & 0x7F)
        if length >= 126 {
            guard let long = take(length == 126 ? 2 : 8) else { return false }
            length = long.reduce(0) { $0 << 8 | Int($1) }
        }
        // A client masks.
        guard start[1] & 0x80 != 0, let mask = take(4), var payload = take(length) else {
            return false
        }
        for index in payload.indices { payload[index] ^= mask[index % 4] }
        let opcode = start[0] & 0x0F
        if opcode == 10 { return true }
        var frame = [opcode == 9 ? start[0] + 1 : start[0]]
        if length < 126 {
            frame.append(UInt8(length))
        } else {
            frame.append(127)
            for shift in stride(from: 56, through: 0, by: -8) {
                frame.append(UInt8(truncatingIfNeeded: length >> shift))
            }
            if length <= 0xFFFF { frame = [frame[0], 126] + frame.suffix(2) }
        }
        client.output.append(frame + payload)
        let isSent = client.flush()
        if opcode == 8 {
            client.sendCloseNotify()
            return false
        }
        return isSent
    }

    /// The next bytes; `nil` when the client has ended.
    private func take(_ count: Int) -> [UInt8]? {
        while client.input.count < count {
            guard client.fill(waiting: true) == .bytes else { return nil }
        }
        let bytes = Array(client.input.readable[..<count])
        client.input.consume(count)
        return bytes
    }
}
