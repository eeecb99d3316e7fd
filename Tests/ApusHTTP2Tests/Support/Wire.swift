/// Frames written and read by hand, so that a peer can say what no library would.
enum Wire {
    /// One frame as it was found in our output.
    struct Frame: Equatable, CustomStringConvertible {
        let type: UInt8
        let flags: UInt8
        let stream: Int32
        let payload: [UInt8]

        /// The payload's first four bytes from `offset` on, as a number.
        func number(at offset: Int = 0) -> UInt32 {
            payload[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
        }

        var description: String {
            switch type {
            case 0: "DATA \(stream) \(payload.count)\(flags & 1 == 1 ? " end" : "")"
            case 1: "HEADERS \(stream)\(flags & 1 == 1 ? " end" : "")"
            case 3: "RST \(stream) \(number())"
            case 4: flags & 1 == 1 ? "SETTINGS ack" : "SETTINGS"
            case 6: flags & 1 == 1 ? "PING ack" : "PING"
            case 7: "GOAWAY \(number(at: 4))"
            case 8: "WINDOW \(stream) \(number())"
            case 9: "CONTINUATION \(stream)"
            default: "FRAME\(type) \(stream)"
            }
        }
    }

    static func frame(
        _ type: UInt8, flags: UInt8 = 0, stream: Int32 = 0, _ payload: [UInt8] = []
    ) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags]
            + word(UInt32(bitPattern: stream)) + payload
    }

    static func data(_ stream: Int32, _ text: String, end: Bool = false) -> [UInt8] {
        frame(0, flags: end ? 1 : 0, stream: stream, Array(text.utf8))
    }

    static func padded(_ stream: Int32, _ text: String, padding: Int, end: Bool = false) -> [UInt8]
    {
        let payload =
            [UInt8(padding)] + Array(text.utf8) + [UInt8](repeating: 0, count: padding)
        return frame(0, flags: 8 | (end ? 1 : 0), stream: stream, payload)
    }

    static func headers(
        _ stream: Int32, _ fields: [(String, String)], end: Bool = false
    ) -> [UInt8] {
        frame(1, flags: 4 | (end ? 1 : 0), stream: stream, block(fields))
    }

    static func head(_ stream: Int32, _ status: String = "200", end: Bool = false) -> [UInt8] {
        headers(stream, [(":status", status)], end: end)
    }

    static func trailers(_ stream: Int32, _ fields: [(String, String)]) -> [UInt8] {
        headers(stream, fields, end: true)
    }

    static func reset(_ stream: Int32, _ code: UInt32) -> [UInt8] {
        frame(3, stream: stream, word(code))
    }

    static func settings(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] {
        frame(4, entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + word($0.1) })
    }

    static let settingsAck = frame(4, flags: 1)

    static func ping(_ number: UInt64 = 7, ack: Bool = false) -> [UInt8] {
        frame(6, flags: ack ? 1 : 0, withUnsafeBytes(of: number.bigEndian, Array.init))
    }

    static func goAway(_ last: Int32, _ code: UInt32 = 0, _ debug: String = "") -> [UInt8] {
        frame(7, word(UInt32(bitPattern: last)) + word(code) + Array(debug.utf8))
    }

    static func windowUpdate(_ stream: Int32, _ increment: UInt32) -> [UInt8] {
        frame(8, stream: stream, word(increment))
    }

    static func word(_ value: UInt32) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian, Array.init)
    }

    /// A field block of literals without indexing and without Huffman codes (RFC 7541, 6.2.2).
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { [0] + text($0.0) + text($0.1) }
    }

    private static func text(_ value: String) -> [UInt8] {
        integer(value.utf8.count) + Array(value.utf8)
    }

    /// An integer with a prefix of seven bits (RFC 7541, section 5.1).
    private static func integer(_ value: Int) -> [UInt8] {
        guard value >= 127 else { return [UInt8(value)] }
        var rest = value - 127
        var bytes: [UInt8] = [127]
        while rest >= 128 {
            bytes.append(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    /// Splits whole frames; an incomplete one at the end is a failure of the test's.
    static func frames(_ bytes: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var start = 0
        while start + 9 <= bytes.count {
            let length = bytes[start..<start + 3].reduce(0) { $0 << 8 | Int($1) }
            let stream = bytes[start + 5..<start + 9].reduce(0) { $0 << 8 | Int32($1) }
            precondition(start + 9 + length <= bytes.count, "the output ends within a frame")
            frames.append(
                Frame(
                    type: bytes[start + 3], flags: bytes[start + 4], stream: stream,
                    payload: Array(bytes[start + 9..<start + 9 + length])))
            start += 9 + length
        }
        precondition(start == bytes.count, "the output ends within a frame header")
        return frames
    }
}
