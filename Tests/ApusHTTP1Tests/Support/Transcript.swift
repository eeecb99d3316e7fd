import ApusCore
import ApusHTTP1
import Foundation
import HTTPTypes
import Testing

/// One conversation from `Fixtures/wire/http1`: what is asked, what comes, what must be made of it.
///
/// `Fixtures/wire/README.md` explains the format.
struct Transcript: Sendable, CustomTestStringConvertible {
    /// One request and the bytes that come after it.
    struct Turn: Sendable {
        /// `nil`: the bytes come without a request.
        var method: HTTPRequest.Method?
        var options: Set<String> = []
        var bytes: [UInt8] = []
        var streamEnds = false

        /// `upgrade` asks for a web socket, `upgrade=h2c,x/1` for these.
        var upgrade: String? {
            if options.contains("upgrade") { return "websocket" }
            return options.lazy.compactMap { option in
                option.hasPrefix("upgrade=") ? String(option.dropFirst(8)) : nil
            }.first
        }
    }

    var name: String
    var limits = EngineTuning.Limits()
    var lenience = EngineTuning.Lenience()
    var turns: [Turn] = []
    var expected: [String] = []

    var testDescription: String { name }

    /// Every transcript of one folder, in order of name.
    static func all(in folder: String) -> [Transcript] {
        let url = URL(fileURLWithPath: #filePath)
            .deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/wire/http1/\(folder)")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: url.path)) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted().compactMap { name in
            guard
                let text = try? String(
                    contentsOf: url.appendingPathComponent(name), encoding: .utf8)
            else { return nil }
            return Transcript(name: "\(folder)/\(name)", text: text)
        }
    }

    init(name: String, text: String) {
        self.name = name
        for line in text.split(separator: "\n") { read(line) }
    }

    private mutating func read(_ line: Substring) {
        guard let blank = line.firstIndex(of: " ") else { return read(line, "") }
        read(line[..<blank], line[line.index(after: blank)...])
    }

    private mutating func read(_ mark: Substring, _ text: Substring) {
        switch mark {
        case "#": break
        case "limit": setLimit(text)
        case "allow": allow(text)
        case ">":
            let words = text.split(separator: " ").map(String.init)
            let method = words.first.flatMap { HTTPRequest.Method($0) }
            turns.append(Turn(method: method, options: Set(words.dropFirst())))
        case "<": send(Transcript.unescape(text) + [0x0D, 0x0A])
        case "<-": send(Transcript.unescape(text))
        case "<*":
            let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            let piece = Transcript.unescape(parts.last ?? "")
            for _ in 0..<(parts.first.flatMap { Int($0) } ?? 0) { send(piece) }
        case "eof":
            if turns.isEmpty { turns.append(Turn()) }
            turns[turns.count - 1].streamEnds = true
        case "=": expected.append(String(text))
        default: expected.append("unknown mark \(mark)")
        }
    }

    private mutating func setLimit(_ text: Substring) {
        let parts = text.split(separator: "=")
        guard parts.count == 2, let value = Int(parts[1]) else {
            return expected.append("bad limit \(text)")
        }
        switch parts[0] {
        case "headBytes": limits.headBytes = value
        case "headFields": limits.headFields = value
        case "informationalResponses": limits.informationalResponses = value
        case "chunkExtensionBytes": limits.chunkExtensionBytes = value
        default: expected.append("unknown limit \(text)")
        }
    }

    private mutating func allow(_ text: Substring) {
        for name in text.split(separator: " ") {
            switch name {
            case "foldedFields": lenience.foldedFields = true
            case "controlsInValues": lenience.controlsInValues = true
            default: expected.append("unknown switch \(name)")
            }
        }
    }

    private mutating func send(_ bytes: [UInt8]) {
        if turns.isEmpty { turns.append(Turn()) }
        turns[turns.count - 1].bytes += bytes
    }

    /// Reads `\r`, `\n`, `\t`, `\s` (a blank), `\\` and `\xHH`; any other character is literal.
    static func unescape(_ text: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let mark = rest.popFirst() else {
                bytes.append(byte)
                continue
            }
            switch mark {
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "s"): bytes.append(0x20)
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                rest = rest.dropFirst(2)
                bytes.append(UInt8(digits, radix: 16) ?? UInt8(ascii: "?"))
            default: bytes.append(mark)
            }
        }
        return bytes
    }

    /// The other way round, for what is shown of bodies and values.
    static func escape(_ bytes: some Sequence<UInt8>) -> String {
        var text = ""
        for byte in bytes {
            switch byte {
            case 0x0D: text += "\\r"
            case 0x0A: text += "\\n"
            case 0x09: text += "\\t"
            case 0x5C: text += "\\\\"
            case 0x20..<0x7F: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += "\\x" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return text
    }
}
