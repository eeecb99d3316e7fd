import ApusCore
import ApusTunnel
import Foundation
import HTTPTypes
import Testing

/// One file of Fixtures/wire/proxy, whose README describes the format.
struct TunnelTranscript: Sendable, CustomTestStringConvertible {
    struct Unreadable: Error, CustomStringConvertible {
        let description: String
    }

    let testDescription: String
    /// What the proxy sends.
    private(set) var bytes: [UInt8] = []
    /// Whether it closes the connection afterwards.
    private(set) var isEnded = false
    /// The lines marked `=`.
    private(set) var outcome: [String] = []
    private var limits = EngineTuning.Limits()
    private var request: [Substring] = []

    /// The transcripts of one folder, by name.
    static func all(in folder: String) throws -> [TunnelTranscript] {
        let root = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let path = "/\(root)/Fixtures/wire/proxy/\(folder)"
        return try FileManager.default.contentsOfDirectory(atPath: path).sorted().map { name in
            let text = try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
            return try TunnelTranscript(name: "\(folder)/\(name)", text: text)
        }
    }

    private init(name: String, text: String) throws {
        testDescription = name
        for line in text.split(separator: "\n") {
            let mark = line.prefix { $0 != " " }
            let rest = line.dropFirst(mark.count + 1)
            switch mark {
            case "#": continue
            case "limit": try setLimit(rest)
            case ">": request = rest.split(separator: " ")
            case "<": bytes += try unescaped(rest) + [13, 10]
            case "<-": bytes += try unescaped(rest)
            case "eof": isEnded = true
            case "=": outcome.append(String(rest))
            default: throw Unreadable(description: "\(name): \(line)")
            }
        }
    }

    /// The handshake that the transcript's request begins.
    func handshake() throws -> TunnelHandshake {
        guard (2...4).contains(request.count) else {
            throw Unreadable(
                description: "\(testDescription): a request is kind, target, user, password")
        }
        let origin = try Origin(scheme: .https, authority: String(request[1]))
        let credentials =
            request.count == 2
            ? nil
            : try ProxyCredentials(
                user: String(request[2]), password: request.count == 4 ? String(request[3]) : "")
        switch request[0] {
        case "connect":
            return .connect(
                to: origin.hostAndPort,
                fields: credentials.map { [.proxyAuthorization: $0.basicAuthorization] } ?? [:],
                limits: limits)
        case "socks4a":
            return try .socks4a(
                to: .name(origin.host, port: origin.port), credentials: credentials)
        case "socks5":
            return try .socks5(
                to: .name(origin.host, port: origin.port), credentials: credentials)
        default: throw Unreadable(description: "\(testDescription): \(request[0])")
        }
    }

    /// What a script came to, in the words of a transcript.
    func lines(of script: TunnelScript) -> [String] {
        var lines = ["sent " + escaped(script.sent)]
        switch script.outcome {
        case .established(let early):
            lines.append("established")
            if !early.isEmpty { lines.append("rest " + escaped(early)) }
        case .needsBytes: lines.append("waiting")
        case .failed(let error):
            lines.append("error " + error.name)
            if case .refused(let answer) = error, !answer.body.isEmpty {
                lines.append("body " + escaped(answer.body.array))
            }
        }
        return lines
    }

    private mutating func setLimit(_ text: Substring) throws {
        let parts = text.split(separator: "=")
        let fields: [Substring: WritableKeyPath<EngineTuning.Limits, Int>] = [
            "headBytes": \.headBytes, "headFields": \.headFields,
            "informationalResponses": \.informationalResponses,
            "proxyErrorBodyBytes": \.proxyErrorBodyBytes,
        ]
        guard parts.count == 2, let path = fields[parts[0]], let value = Int(parts[1]) else {
            throw Unreadable(description: "\(testDescription): \(text)")
        }
        limits[keyPath: path] = value
    }

    private func unescaped(_ text: Substring) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                rest = rest.dropFirst(2)
                guard let value = UInt8(digits, radix: 16) else { fallthrough }
                bytes.append(value)
            default: throw Unreadable(description: "\(testDescription): \(text)")
            }
        }
        return bytes
    }

    private func escaped(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            switch byte {
            case 13: text += "\\r"
            case 10: text += "\\n"
            case UInt8(ascii: "\\"): text += "\\\\"
            case 0x20...0x7E: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += "\\x" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return text
    }
}
