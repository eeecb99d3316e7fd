import Loopback

/// HTTP/2 frames by hand, for a scripted peer that takes web sockets (RFC 8441).
enum HTTP2Script {
    static let dataType: UInt8 = 0
    static let headersType: UInt8 = 1

    static func frame(
        _ type: UInt8, flags: UInt8 = 0, stream: UInt8 = 0, _ payload: [UInt8] = []
    ) -> [UInt8] {
        [
            UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 255),
            UInt8(payload.count & 255), type, flags, 0, 0, 0, stream,
        ] + payload
    }

    /// SETTINGS, with or without SETTINGS_ENABLE_CONNECT_PROTOCOL.
    static func settings(offersConnect: Bool) -> [UInt8] {
        frame(4, offersConnect ? [0, 8, 0, 0, 0, 1] : [])
    }

    /// A head with these fields, as literals without indexing.
    static func head(_ status: Int, _ fields: [(String, String)] = [], end: Bool = false)
        -> [UInt8]
    {
        var block: [UInt8] = []
        for (name, value) in [(":status", "\(status)")] + fields {
            block += [0, UInt8(name.utf8.count)] + Array(name.utf8)
            block += [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        return frame(headersType, flags: 4 | (end ? 1 : 0), stream: 1, block)
    }

    static func data(_ bytes: [UInt8], end: Bool = false) -> [UInt8] {
        frame(dataType, flags: end ? 1 : 0, stream: 1, bytes)
    }

    /// The payloads of the DATA frames of stream 1, joined.
    static func content(of received: [UInt8]) -> [UInt8] {
        var start = 24
        var content: [UInt8] = []
        while start + 9 <= received.count {
            let length = received[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
            guard start + 9 + length <= received.count else { break }
            if received[start + 3] == dataType {
                content += received[start + 9..<start + 9 + length]
            }
            start += 9 + length
        }
        return content
    }

    /// Waits for a frame of this type on stream 1.
    static func expect(_ type: UInt8) -> ScriptedPeer.Step {
        .expect { bytes in
            var start = bytes.starts(with: Array("PRI * HTTP/2.0".utf8)) ? 24 : 0
            while start + 9 <= bytes.count {
                let length = bytes[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
                let end = start + 9 + length
                guard end <= bytes.count else { return nil }
                if bytes[start + 3] == type, bytes[start + 8] == 1 { return end }
                start = end
            }
            return nil
        }
    }
}
