import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// Any valid message, cut in any way, is understood as what it was made of.
@Suite struct MessagePropertyTests {
    /// What a response was made of, and what must come out again.
    struct Message: Equatable {
        var code = 200
        var reason = ""
        var fields: [[UInt8]] = []
        var body: [UInt8] = []
        var trailers: [[UInt8]] = []
        var isKept = true
    }

    @Test(arguments: 0..<16)
    func anyValidMessageInAnyPieces(_ seed: UInt64) throws {
        var random = NumberedRandom(seed: seed &+ 77)
        for _ in 0..<150 {
            let (message, bytes, method) = Self.make(&random)
            for _ in 0..<4 {
                let pieces = Self.cut(bytes, &random)
                let understood = try Self.understand(pieces, method)
                guard understood == message else {
                    Issue.record(
                        "\(Transcript.escape(bytes)) in \(pieces.map(\.count)): \(understood)")
                    return
                }
            }
        }
    }

    // MARK: Making

    private static func make(
        _ random: inout NumberedRandom
    ) -> (Message, [UInt8], HTTPRequest.Method) {
        var message = Message()
        message.code = random.element(of: [200, 201, 204, 206, 302, 304, 404, 413, 500, 999])
        message.reason = String(decoding: random.bytes(0..<20, from: visible), as: UTF8.self)
        let method: HTTPRequest.Method = random.chance(8) ? .head : .get
        let minor = random.chance(6) ? 0 : 1
        var wire = Array("HTTP/1.\(minor) \(message.code) \(message.reason)\r\n".utf8)
        var lines = (0..<random.below(12)).map { _ in field(&random) }
        let isBodiless = method == .head || message.code == 204 || message.code == 304
        let saysClose = random.chance(5)
        if saysClose {
            lines.append(Array("Connection: \(random.chance(2) ? "close" : "Close")".utf8))
        }
        if minor == 0, !saysClose, random.chance(2) {
            lines.append(Array("Connection: keep-alive".utf8))
        }
        message.isKept =
            !saysClose && (minor == 1 || lines.last == Array("Connection: keep-alive".utf8))
        message.body =
            isBodiless ? [] : random.bytes(0..<random.element(of: [1, 20, 3000]), from: anyByte)
        var content = message.body
        if minor == 1, !isBodiless, random.chance(2) {
            lines.append(Array("Transfer-Encoding: chunked".utf8))
            content = chunked(message.body, &message.trailers, &random)
        } else {
            lines.append(Array("Content-Length: \(message.body.count)".utf8))
        }
        // The order of the lines has no meaning.
        for index in lines.indices { lines.swapAt(index, random.below(index + 1)) }
        message.fields = lines
        for line in lines { wire += line + [0x0D, 0x0A] }
        return (message, wire + [0x0D, 0x0A] + content, method)
    }

    private static func field(_ random: inout NumberedRandom) -> [UInt8] {
        let name = random.chance(3) ? Array("Content-Type".utf8) : random.bytes(1..<24, from: token)
        // Not one of the names that mean something, nor blanks at the ends, which are not kept.
        let value = random.bytes(0..<40, from: text)
        let trimmed = value.drop { $0 == 0x20 || $0 == 0x09 }.reversed()
            .drop { $0 == 0x20 || $0 == 0x09 }.reversed()
        return Array("x".utf8) + name + Array(": ".utf8) + trimmed
    }

    private static func chunked(
        _ body: [UInt8], _ trailers: inout [[UInt8]], _ random: inout NumberedRandom
    ) -> [UInt8] {
        var wire: [UInt8] = []
        var rest = body[...]
        while !rest.isEmpty {
            let piece = rest.prefix(1 + random.below(500))
            rest = rest.dropFirst(piece.count)
            let digits = String(piece.count, radix: 16, uppercase: random.chance(2))
            let zeros = String(repeating: "0", count: random.below(3))
            wire += Array((zeros + digits + (random.chance(4) ? ";a=\"b\"" : "") + "\r\n").utf8)
            wire += piece + [0x0D, 0x0A]
        }
        trailers = (0..<random.below(3)).map { _ in field(&random) }
        wire += Array("0\r\n".utf8)
        for line in trailers { wire += line + [0x0D, 0x0A] }
        return wire + [0x0D, 0x0A]
    }

    private static func cut(_ bytes: [UInt8], _ random: inout NumberedRandom) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        let longest = random.element(of: [1, 3, 40, 5000])
        while !rest.isEmpty {
            let piece = rest.prefix(1 + random.below(longest))
            rest = rest.dropFirst(piece.count)
            pieces.append(Array(piece))
        }
        return pieces
    }

    // MARK: Understanding

    private static func understand(
        _ pieces: [[UInt8]], _ method: HTTPRequest.Method
    ) throws -> Message {
        var machine = HTTP1Session(limits: .init())
        machine.requestStarted(method: method, expectsClose: false, upgrade: nil)
        machine.requestFinished()
        var message = Message()
        for piece in pieces {
            var offset = 0
            while let event = try machine.nextEvent(in: piece.span.bytes, offset: &offset) {
                switch event {
                case .head(let response, _):
                    message.code = response.status.code
                    message.reason = response.status.reasonPhrase
                    message.fields = response.headerFields.map(line)
                case .body(let range): message.body += piece[range]
                case .end(let trailers): message.trailers = (trailers ?? [:]).map(line)
                case .informational, .upgraded: Issue.record("nothing of the kind was sent")
                }
            }
        }
        message.isKept = machine.isIdle && machine.closeReason == nil
        return message
    }

    private static func line(_ field: HTTPField) -> [UInt8] {
        Array("\(field.name.rawName): ".utf8) + field.withUnsafeBytesOfValue { [UInt8]($0) }
    }

    // MARK: Alphabets

    private static let anyByte = [UInt8](0...255)
    private static let visible = [UInt8](0x20..<0x7F)
    private static let text = [UInt8](0x20..<0x7F) + [0x09] + [UInt8](0x80...0xFF)
    private static let token = Array(
        "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~".utf8)
}

/// A generator that gives the same numbers on every run (xorshift64*).
struct NumberedRandom {
    private var state: UInt64

    init(seed: UInt64) {
        state = (seed &* 0x9E37_79B9_7F4A_7C15) | 1
    }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return (state &* 0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `bound`, which is above zero.
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// Once in so many times.
    mutating func chance(_ times: Int) -> Bool { below(times) == 0 }

    mutating func element<Element>(of choices: [Element]) -> Element {
        choices[below(choices.count)]
    }

    mutating func bytes(_ count: Range<Int>, from alphabet: [UInt8]) -> [UInt8] {
        let length = count.lowerBound + below(count.count)
        return (0..<length).map { _ in alphabet[below(alphabet.count)] }
    }
}
