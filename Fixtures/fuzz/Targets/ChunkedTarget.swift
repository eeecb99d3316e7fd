import ApusCore
import ApusHTTP1
import HTTPTypes

/// A chunked body, read by the connection machine in three ways and by a plain reader of its own.
///
/// An input is a seed and the body's bytes.
enum ChunkedTarget {
    private static let head = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)

    static func play(_ input: [UInt8]) {
        guard let seed = input.first else { return }
        let bytes = Array(input.dropFirst())
        let expected = ReferenceChunks.read(bytes)
        for cut in Cut.all(seed: seed) {
            let found = read(bytes, cut)
            switch (expected, found) {
            case (.unjudged, _), (.refused, .refused), (.unfinished, .unfinished): continue
            case (.body(let left, let leftEnd), .body(let right, let rightEnd)):
                precondition(left == right && leftEnd == rightEnd, "\(cut): another body")
            default: preconditionFailure("\(cut): expected \(expected), found \(found)")
            }
        }
    }

    private static func read(_ bytes: [UInt8], _ cut: Cut) -> ReferenceChunks {
        var limits = EngineTuning.Limits()
        // The reader beside has no bounds.
        limits.chunkExtensionBytes = 1 << 20
        limits.headBytes = 1 << 20
        limits.headFields = 1 << 20
        var machine = HTTP1Session(limits: limits)
        machine.requestStarted(method: .get, expectsClose: false, upgrade: nil)
        machine.requestFinished()
        var body: [UInt8] = []
        var consumed = 0
        for piece in [head[...]] + cut.pieces(of: bytes) {
            let piece = Array(piece)
            var offset = 0
            do throws(HTTP1Error) {
                while let event = try piece.withSpan({ span throws(HTTP1Error) in
                    try machine.nextEvent(in: span, offset: &offset)
                }) {
                    if case .body(let range) = event { body += piece[range] }
                    if case .end = event {
                        return .body(body, end: consumed + offset - head.count)
                    }
                }
            } catch {
                return .refused
            }
            consumed += piece.count
        }
        return .unfinished
    }
}

/// What the grammar of RFC 9112, section 7.1, makes of bytes, read slowly and plainly.
enum ReferenceChunks {
    case refused
    case unfinished
    /// This reader has no opinion.
    case unjudged
    case body([UInt8], end: Int)

    static func read(_ bytes: [UInt8]) -> ReferenceChunks {
        var body: [UInt8] = []
        var position = 0
        while true {
            // A line is judged byte by byte, as far as it has come.
            guard let size = readSize(bytes, &position) else { return .refused }
            guard let size else { return .unfinished }
            if size == 0 { break }
            let left = bytes.count - position
            guard size <= UInt64(left) else {
                return .unfinished
            }
            body += bytes[position..<position + Int(size)]
            position += Int(size)
            for expected: UInt8 in [0x0D, 0x0A] {
                guard position < bytes.count else { return .unfinished }
                guard bytes[position] == expected else { return .refused }
                position += 1
            }
        }
        return readTrailers(bytes, position, body)
    }

    /// The size before a line's end; `.none` is a fault, `.some(nil)` an unfinished line.
    private static func readSize(_ bytes: [UInt8], _ position: inout Int) -> UInt64?? {
        var size: UInt64 = 0
        var digits = 0
        while position < bytes.count, let digit = bytes[position].hexDigitValue {
            digits += 1
            guard digits <= 16, size < 1 << 59 else { return .none }
            size = size * 16 + UInt64(digit)
            position += 1
        }
        guard position < bytes.count else { return .some(nil) }
        guard digits > 0 else { return .none }
        let sizeEnd = position
        while position < bytes.count, bytes[position] == 0x09 || bytes[position] == 0x20 {
            position += 1
        }
        guard position < bytes.count else { return .some(nil) }
        // Blanks come before an extension only.
        guard position == sizeEnd || bytes[position] == UInt8(ascii: ";") else { return .none }
        if bytes[position] == UInt8(ascii: ";") {
            let start = position + 1
            position = start
            while position < bytes.count,
                bytes[position] == 0x09 || (bytes[position] >= 0x20 && bytes[position] != 0x7F)
            { position += 1 }
            guard position < bytes.count else { return .some(nil) }
            guard position > start else { return .none }
        }
        for expected: UInt8 in [0x0D, 0x0A] {
            guard position < bytes.count else { return .some(nil) }
            guard bytes[position] == expected else { return .none }
            position += 1
        }
        return .some(size)
    }

    private static func readTrailers(
        _ bytes: [UInt8], _ start: Int, _ body: [UInt8]
    ) -> ReferenceChunks {
        var position = start
        while let lineFeed = bytes[position...].firstIndex(of: 0x0A) {
            let line = bytes[position...lineFeed]
            position = lineFeed + 1
            guard line.count >= 2, line[line.endIndex - 2] == 0x0D else { return .refused }
            let text = line.dropLast(2)
            if text.isEmpty { return .body(body, end: position) }
            guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return .refused }
            let name = text[..<colon]
            let value = text[(colon + 1)...]
            guard !name.isEmpty, name.allSatisfy(isTokenByte),
                value.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) })
            else { return .refused }
            let lower = String(decoding: name, as: UTF8.self).lowercased()
            // When these are refused hangs on their values; `ConnectionTarget` plays them.
            guard lower != "content-length", lower != "transfer-encoding" else {
                return .unjudged
            }
        }
        return .unfinished
    }

    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: Array("!#$%&'*+-.^_`|~".utf8).contains(byte)
        }
    }
}
