import Loopback

/// HTTP/2 frames by hand, so that a scripted peer can say what no library would, and scripts made
/// of them.
enum HTTP2Frames {
    /// One frame that the engine sent.
    struct Frame: Sendable, Hashable {
        let type: UInt8
        let flags: UInt8
        let stream: Int32
        let payload: [UInt8]

        /// The payload's four bytes from `offset` on, as a number.
        func number(at offset: Int = 0) -> UInt32 {
            payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
    static let dataType: UInt8 = 0
    static let headersType: UInt8 = 1
    static let resetType: UInt8 = 3
    static let settingsType: UInt8 = 4
    static let pingType: UInt8 = 6
    static let goAwayType: UInt8 = 7

    static func frame(
        _ type: UInt8, flags: UInt8 = 0, stream: Int32 = 0, _ payload: [UInt8] = []
    ) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + word(UInt32(bitPattern: stream)) + payload
    }

    static func data(_ stream: Int32, _ bytes: [UInt8] = [], end: Bool = false) -> [UInt8] {
        frame(dataType, flags: end ? 1 : 0, stream: stream, bytes)
    }

    /// A head of a status and fields, as literals without indexing (RFC 7541, section 6.2.2).
    static func head(
        _ stream: Int32, _ status: Int = 200, _ fields: [(String, String)] = [], end: Bool = false
    ) -> [UInt8] {
        self.fields(stream, [(":status", "\(status)")] + fields, end: end)
    }

    /// HEADERS of these fields, whatever they are.
    static func fields(
        _ stream: Int32, _ fields: [(String, String)], end: Bool = false
    ) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields {
            block += [0, UInt8(name.utf8.count)] + Array(name.utf8)
            block += [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        return frame(headersType, flags: 4 | (end ? 1 : 0), stream: stream, block)
    }

    static func trailers(_ stream: Int32, _ fields: [(String, String)]) -> [UInt8] {
        self.fields(stream, fields, end: true)
    }

    /// A whole answer: 200 and "ok".
    static func answer(_ stream: Int32) -> [UInt8] {
        head(stream) + data(stream, Array("ok".utf8), end: true)
    }

    static func reset(_ stream: Int32, _ code: UInt32) -> [UInt8] {
        frame(resetType, stream: stream, word(code))
    }

    static func settings(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] {
        var payload: [UInt8] = []
        for (name, value) in entries {
            payload += [UInt8(name >> 8), UInt8(name & 255)] + word(value)
        }
        return frame(settingsType, payload)
    }

    /// SETTINGS_MAX_CONCURRENT_STREAMS.
    static func maxStreams(_ count: UInt32) -> [UInt8] { settings([(3, count)]) }

    static func ping(_ number: UInt8 = 7, ack: Bool = false) -> [UInt8] {
        frame(pingType, flags: ack ? 1 : 0, [0, 0, 0, 0, 0, 0, 0, number])
    }

    static func goAway(_ last: Int32, _ code: UInt32 = 0, _ debug: String = "") -> [UInt8] {
        frame(goAwayType, word(UInt32(bitPattern: last)) + word(code) + Array(debug.utf8))
    }

    static func windowUpdate(_ stream: Int32, _ increment: UInt32) -> [UInt8] {
        frame(8, stream: stream, word(increment))
    }

    static func word(_ value: UInt32) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian, Array.init)
    }

    /// The whole frames in what a peer received; the preface and an incomplete frame are left out.
    static func frames(_ received: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var start = received.starts(with: preface) ? preface.count : 0
        while start + 9 <= received.count {
            let length = received[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
            let end = start + 9 + length
            guard end <= received.count else { break }
            frames.append(
                Frame(
                    type: received[start + 3], flags: received[start + 4],
                    stream: received[start + 5..<start + 9].reduce(0) { $0 << 8 | Int32($1) },
                    payload: Array(received[start + 9..<end])))
            start = end
        }
        return frames
    }
}

extension ScriptedPeer.Step {
    /// Reads until a frame of this type has come, on this stream when one is named.
    static func expectFrame(_ type: UInt8, stream: Int32? = nil, ack: Bool = false) -> Self {
        .expect { bytes in
            let isFirst = bytes.starts(with: HTTP2Frames.preface)
            var start = isFirst ? HTTP2Frames.preface.count : 0
            while start + 9 <= bytes.count {
                let length = bytes[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
                let end = start + 9 + length
                guard end <= bytes.count else { return nil }
                let id = bytes[start + 5..<start + 9].reduce(0) { $0 << 8 | Int32($1) }
                let isAck = bytes[start + 4] & 1 == 1
                let isWanted = bytes[start + 3] == type && (stream.map { $0 == id } ?? true)
                if isWanted, !ack || isAck { return end }
                start = end
            }
            return nil
        }
    }

    /// Reads until so many bytes of DATA have come on a stream since the last expectation was met.
    static func expectData(_ stream: Int32, _ count: Int) -> Self {
        .expect { bytes in
            var start = 0
            var found = 0
            while start + 9 <= bytes.count {
                let length = bytes[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
                let end = start + 9 + length
                guard end <= bytes.count else { return nil }
                let id = bytes[start + 5..<start + 9].reduce(0) { $0 << 8 | Int32($1) }
                if bytes[start + 3] == HTTP2Frames.dataType, id == stream { found += length }
                if found >= count { return end }
                start = end
            }
            return nil
        }
    }

    /// Reads until the PING of this number has come; a slow start may bring the first before the
    /// request.
    static func expectPing(_ number: UInt8) -> Self {
        .expect { bytes in
            let pings = HTTP2Frames.frames(Array(bytes)).filter {
                $0.type == HTTP2Frames.pingType && $0.flags == 0
            }
            return pings.contains { $0.payload.last == number } ? bytes.count : nil
        }
    }

    /// Reads until a request and a PING have come: a slow start may bring the PING first.
    static let requestAndPing = Self.expect { bytes in
        let types = HTTP2Frames.frames(Array(bytes)).map(\.type)
        let wanted = [HTTP2Frames.headersType, HTTP2Frames.pingType]
        return wanted.allSatisfy(types.contains) ? bytes.count : nil
    }

    /// Answers the PING that has come last.
    static let pong = Self.reply { received in
        let ping = HTTP2Frames.frames(received).last {
            $0.type == HTTP2Frames.pingType && $0.flags == 0
        }
        return ping.map { HTTP2Frames.ping($0.payload.last ?? 0, ack: true) } ?? []
    }

    /// Reads until the request on this stream has come.
    static func request(_ stream: Int32) -> Self {
        .expectFrame(HTTP2Frames.headersType, stream: stream)
    }

    /// Reads until our SETTINGS were acknowledged.
    static let settingsAcknowledged = Self.expectFrame(HTTP2Frames.settingsType, ack: true)
}

extension [ScriptedPeer.Step] {
    /// Sends SETTINGS, reads the request on stream 1, and answers it with these bytes.
    static func http2(_ bytes: [UInt8], settings: [UInt8] = HTTP2Frames.settings()) -> Self {
        [.send(settings), .request(1), .send(bytes)]
    }

    /// Reads the request on this stream, and answers it.
    static func answering(_ streams: Int32...) -> Self {
        streams.flatMap { [.request($0), .send(HTTP2Frames.answer($0))] }
    }

    /// A connection on which all is well, for this many requests.
    static func wellBehaved(_ count: Int32 = 1) -> Self {
        let streams = (0..<count).map { $0 * 2 + 1 }
        return [.send(HTTP2Frames.settings())]
            + streams.flatMap { [.request($0), .send(HTTP2Frames.answer($0))] } + [.readUntilEnd]
    }
}
