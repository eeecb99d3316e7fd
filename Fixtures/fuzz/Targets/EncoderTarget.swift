import ApusCore
import ApusHTTP1
import HTTPTypes

/// The request encoder: what it writes, a strict reader of its own reads as the very same request;
/// what it refuses leaves no byte.
///
/// An input is five bytes of choices, then texts that end in a zero byte: scheme, method,
/// authority, path, upgrade, and pairs of a name and a value.
enum EncoderTarget {
    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        let bits = choices.byte()
        let targets: [TargetForm] = [.origin, .absolute, .authority, .asterisk]
        let target = targets[choices.below(4)]
        let length = UInt64(choices.byte())
        let framings: [RequestFraming] = [.none, .length(length), .chunked]
        let framing = framings[choices.below(3)]
        let option = choices.below(3)
        let scheme = String(decoding: choices.text(), as: UTF8.self)
        guard let method = HTTPRequest.Method(String(decoding: choices.text(), as: UTF8.self))
        else { return }
        var request = HTTPRequest(
            method: method, scheme: bits & 1 != 0 ? scheme : nil, authority: nil, path: nil)
        let authority = String(decoding: choices.text(), as: UTF8.self)
        if bits & 2 != 0 { request.authority = authority }
        let path = String(decoding: choices.text(), as: UTF8.self)
        if bits & 4 != 0 { request.path = path }
        let protocolName = String(decoding: choices.text(), as: UTF8.self)
        let options: [ConnectionOption] = [.keepAlive, .close, .upgrade(protocolName)]
        request.headerFields = fields(&choices)
        check(
            request, target, framing, options[option],
            trailers: bits & 8 != 0 ? request.headerFields : [:])
    }

    private static func fields(_ choices: inout Choices) -> HTTPFields {
        var fields = HTTPFields()
        while !choices.isAtEnd, fields.count < 32 {
            let name = String(decoding: choices.text(), as: UTF8.self)
            let value = choices.text()
            guard let name = HTTPField.Name(name) else { continue }
            // A lenient value keeps what the checked one would blank.
            fields.append(HTTPField(name: name, lenientValue: value))
        }
        return fields
    }

    private static func check(
        _ request: HTTPRequest, _ target: TargetForm, _ framing: RequestFraming,
        _ option: ConnectionOption, trailers: HTTPFields
    ) {
        let mark = Array("before".utf8)
        var output = mark
        do throws(InvalidRequest) {
            try RequestEncoder.appendHead(
                of: request, target: target, framing: framing, connection: option,
                additional: [:], to: &output)
        } catch {
            precondition(output == mark, "a refused request left bytes")
            return
        }
        precondition(output.starts(with: mark))
        let read = ReferenceRequest.read(Array(output.dropFirst(mark.count)))
        guard let read else { preconditionFailure("no request: \(output)") }
        compare(read, request, target)
        compareFields(read, request)
        checkFraming(read, request, framing)
        checkConnection(read, option)
        if framing == .chunked { checkChunks(trailers) }
    }

    private static func compare(
        _ read: ReferenceRequest, _ request: HTTPRequest, _ target: TargetForm
    ) {
        precondition(read.method == request.method.rawValue)
        let authority = request.authority ?? ""
        let path = request.path ?? ""
        let expected =
            switch target {
            case .origin: path
            case .absolute:
                "\(request.scheme ?? "")://\(authority)\(path == "*" ? "" : path)"
            case .authority: authority
            case .asterisk: "*"
            }
        precondition(read.target == expected, "another target")
        let hosts = read.values(of: "host")
        precondition(hosts.count == 1 && !hosts[0].isEmpty, "not one Host")
        if target == .absolute || target == .authority {
            let host = String(decoding: hosts[0], as: UTF8.self).lowercased()
            precondition(host == authority.lowercased(), "Host is not the target's authority")
        }
    }

    /// The caller's fields are there in their order, but for those of one hop; cookies are one
    /// field, in the place of the first that is not empty.
    private static func compareFields(_ read: ReferenceRequest, _ request: HTTPRequest) {
        let hop: Set = [
            "connection", "keep-alive", "upgrade", "proxy-connection", "proxy-authenticate",
            "proxy-authorization", "te", "transfer-encoding", "content-length", "host",
        ]
        let listed = request.headerFields[values: .connection].joined(separator: ",").lowercased()
            .split(separator: ",").map { $0.trimmingBlanks() }
        var rest = read.fields.filter { !hop.contains($0.name.lowercased()) }[...]
        let kept = request.headerFields.filter {
            !hop.contains($0.name.canonicalName) && !listed.contains($0.name.canonicalName)
        }
        let cookies = kept.filter { $0.name == .cookie && !trimmed(bytes(of: $0)).isEmpty }
        var isCookieSeen = false
        for field in kept {
            var value = bytes(of: field)
            if field.name == .cookie {
                if isCookieSeen || trimmed(value).isEmpty && !cookies.isEmpty { continue }
                isCookieSeen = true
                let values = cookies.map { bytes(of: $0) }
                value = Array(values.joined(separator: Array("; ".utf8)))
            }
            guard let next = rest.popFirst() else { preconditionFailure("a field is missing") }
            precondition(next.name == field.name.rawName, "another field")
            precondition(next.value == trimmed(value), "another value")
        }
        precondition(rest.isEmpty, "fields that were not requested")
        let isOnlyTrailers = read.values(of: "te").allSatisfy {
            String(decoding: $0, as: UTF8.self).lowercased() == "trailers"
        }
        precondition(isOnlyTrailers, "TE went out")
    }

    private static func bytes(of field: HTTPField) -> [UInt8] {
        field.withUnsafeBytesOfValue { Array($0) }
    }

    private static func checkFraming(
        _ read: ReferenceRequest, _ request: HTTPRequest, _ framing: RequestFraming
    ) {
        let lengths = read.values(of: "content-length").map { String(decoding: $0, as: UTF8.self) }
        let codings = read.values(of: "transfer-encoding").map {
            String(decoding: $0, as: UTF8.self).lowercased()
        }
        switch framing {
        case .none: precondition(codings.isEmpty && lengths.allSatisfy { $0 == "0" })
        case .length(let length): precondition(codings.isEmpty && lengths == ["\(length)"])
        case .chunked: precondition(codings == ["chunked"] && lengths.isEmpty)
        }
        precondition(lengths.count <= 1, "two lengths")
    }

    private static func checkConnection(_ read: ReferenceRequest, _ option: ConnectionOption) {
        let said = (read.values(of: "connection") + read.values(of: "upgrade")).map {
            String(decoding: $0, as: UTF8.self)
        }
        // TE is listed, so that it goes no further than the next hop (RFC 9110, section 10.1.4).
        let hasTE = !read.values(of: "te").isEmpty
        switch option {
        case .keepAlive: precondition(said == (hasTE ? ["TE"] : []))
        case .close: precondition(said == [hasTE ? "close, TE" : "close"])
        case .upgrade(let name):
            let sent = String(decoding: trimmed(Array(name.utf8)), as: UTF8.self)
            precondition(said == [hasTE ? "Upgrade, TE" : "Upgrade", sent])
        }
    }

    private static func checkChunks(_ trailers: HTTPFields) {
        var output: [UInt8] = []
        RequestEncoder.appendChunkHead(size: 300, to: &output)
        let data = [UInt8](repeating: 0x0D, count: 300)
        output += data
        RequestEncoder.appendChunkEnd(to: &output)
        let count = output.count
        do throws(InvalidRequest) {
            try RequestEncoder.appendLastChunk(trailers: trailers, to: &output)
        } catch {
            precondition(output.count == count, "refused trailers left bytes")
            return
        }
        guard case .body(let body, let end) = ReferenceChunks.read(output) else {
            preconditionFailure("no chunked body: \(output)")
        }
        precondition(body == data && end == output.count, "another body")
    }

    static func trimmed(_ value: [UInt8]) -> [UInt8] {
        let isBlank: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        let head = value.drop(while: isBlank)
        guard let last = head.lastIndex(where: { !isBlank($0) }) else { return [] }
        return Array(head[...last])
    }
}

/// What a strict server reads: RFC 9112, sections 2 to 5, and nothing lenient.
struct ReferenceRequest {
    let method: String
    let target: String
    let fields: [(name: String, value: [UInt8])]

    func values(of name: String) -> [[UInt8]] {
        fields.filter { $0.name.lowercased() == name }.map(\.value)
    }

    /// `nil` unless the bytes are one head, to the last byte.
    static func read(_ bytes: [UInt8]) -> ReferenceRequest? {
        var lines: [[UInt8]] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0A) {
            let line = Array(rest[..<end])
            guard line.last == 0x0D else { return nil }
            lines.append(line.dropLast())
            rest = rest[(end + 1)...]
        }
        guard rest.isEmpty, lines.last == [], lines.count >= 2 else { return nil }
        let parts = lines[0].split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].elementsEqual("HTTP/1.1".utf8),
            parts.allSatisfy({ $0.allSatisfy { $0 > 0x20 && $0 < 0x7F } && !$0.isEmpty })
        else { return nil }
        var fields: [(name: String, value: [UInt8])] = []
        for line in lines.dropFirst().dropLast() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0,
                line[..<colon].allSatisfy(ReferenceChunks.isTokenByte),
                line.allSatisfy({ $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) })
            else { return nil }
            let value = EncoderTarget.trimmed(Array(line[(colon + 1)...]))
            fields.append((String(decoding: line[..<colon], as: UTF8.self), value))
        }
        return ReferenceRequest(
            method: String(decoding: parts[0], as: UTF8.self),
            target: String(decoding: parts[1], as: UTF8.self), fields: fields)
    }
}
