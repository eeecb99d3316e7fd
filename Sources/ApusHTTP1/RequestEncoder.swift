package import ApusCore
package import HTTPTypes

/// How a request's body is framed.
package enum RequestFraming: Sendable, Hashable {
    /// There is no body; methods that usually have one send a length of 0.
    case none
    case length(UInt64)
    case chunked
}

/// The forms of a request target (RFC 9112, section 3.2).
package enum TargetForm: Sendable, Hashable {
    /// `/path?query`
    case origin
    /// `http://authority/path?query`, to a forwarding proxy.
    case absolute
    /// `authority`, for CONNECT.
    case authority
    /// `*`, for OPTIONS.
    case asterisk
}

/// The connection options of a request.
package enum ConnectionOption: Sendable, Hashable {
    /// No option, which keeps the connection.
    case keepAlive
    /// `Connection: close`
    case close
    /// `Connection: Upgrade` and the requested protocols.
    case upgrade(String)

    /// The value of `Connection`.
    var option: String? {
        switch self {
        case .keepAlive: nil
        case .close: "close"
        case .upgrade: "Upgrade"
        }
    }

    /// The value of `Upgrade`.
    var protocols: String? {
        if case .upgrade(let names) = self { names } else { nil }
    }
}

/// Encodes requests: the caller's fields in their order and case, and only those that the message
/// needs in addition.
///
/// Everything is checked before the first byte is written, so a refused request writes nothing.
package enum RequestEncoder {
    /// Appends a whole head, from the request line to the empty line.
    ///
    /// `Host` comes first unless the caller placed it; `additional` are fields for this hop only,
    /// such as a proxy's credentials; framing fields, `Connection` and `Upgrade` come last unless
    /// the caller placed them. `plan` must be of the same request; without it, one is made here.
    ///
    /// - Throws: `InvalidRequest` naming the field that cannot be sent or that contradicts another.
    package static func appendHead(
        of request: HTTPRequest, plan: RequestFieldPlan? = nil, target: TargetForm,
        framing: RequestFraming, connection: ConnectionOption, additional: HTTPFields,
        to output: inout [UInt8]
    ) throws(InvalidRequest) {
        try RequestValidator.check(fields: additional)
        if case .upgrade(let name) = connection { try check(upgrade: name) }
        let fields = request.headerFields
        let plan =
            if let plan { plan } else {
                try RequestFieldPlan(for: request, target: target, framing: framing)
            }

        output.reserveCapacity(output.count + 256 + fields.count * 64)
        try appendRequestLine(request, plan, target, to: &output)
        if !plan.hasHost {
            append("Host: ", to: &output)
            append(plan.authority, to: &output)
            append("\r\n", to: &output)
        }
        for index in fields.indices {
            if plan.sends(index) {
                let cookies = plan.cookies(joinedAt: index).map { fields[$0] }
                append(fields[index], joining: cookies, to: &output)
            } else if let value = plan.replacement(at: index, connection) {
                append(fields[index].name, value, to: &output)
            }
        }
        for field in additional { append(field, to: &output) }
        if plan.connectionIndex == nil, let option = plan.connectionValue(connection) {
            append(.connection, option, to: &output)
        }
        if plan.upgradeIndex == nil, let protocols = connection.protocols {
            append(.upgrade, protocols, to: &output)
        }
        if !plan.hasFraming { appendFraming(framing, of: request.method, to: &output) }
        append("\r\n", to: &output)
    }

    /// Appends the line before a chunk's data; `size` is above zero, since 0 ends the body.
    package static func appendChunkHead(size: Int, to output: inout [UInt8]) {
        precondition(size > 0, "an empty chunk would end the body")
        appendNumber(UInt64(size), radix: 16, to: &output)
        append("\r\n", to: &output)
    }

    /// Appends the line end after a chunk's data.
    package static func appendChunkEnd(to output: inout [UInt8]) {
        append("\r\n", to: &output)
    }

    /// Appends the last chunk, the trailers and the empty line.
    ///
    /// - Throws: `InvalidRequest` naming a trailer that cannot be sent as one.
    package static func appendLastChunk(
        trailers: HTTPFields, to output: inout [UInt8]
    ) throws(InvalidRequest) {
        try RequestValidator.check(trailers: trailers)
        append("0\r\n", to: &output)
        for field in trailers { append(field, to: &output) }
        append("\r\n", to: &output)
    }

    // MARK: Parts

    private static func check(upgrade names: String) throws(InvalidRequest) {
        guard areProtocols(names) else {
            throw InvalidRequest(field: "upgrade", reason: "is not a list of protocol names")
        }
    }

    /// Whether the text names protocols, separated by commas: each a name with an optional version,
    /// token[/token] (RFC 9110, section 7.8).
    package static func areProtocols(_ names: String) -> Bool {
        names.split(separator: ",", omittingEmptySubsequences: false).allSatisfy { name in
            let name = name.drop { $0 == " " }
            let parts = name.split(separator: "/", omittingEmptySubsequences: false)
            return parts.count <= 2
                && parts.allSatisfy { RequestValidator.isToken(String($0)) }
        }
    }

    private static func appendRequestLine(
        _ request: HTTPRequest, _ plan: RequestFieldPlan, _ target: TargetForm,
        to output: inout [UInt8]
    ) throws(InvalidRequest) {
        let path = request.path ?? ""
        var scheme = ""
        switch target {
        case .origin where path.isEmpty || path == "*":
            throw InvalidRequest(field: "path", reason: "does not begin with a slash")
        case .absolute:
            scheme = request.scheme ?? ""
            guard RequestValidator.isToken(scheme) else {
                throw InvalidRequest(field: "scheme", reason: "is missing or not a token")
            }
        case .asterisk where path != "*":
            throw InvalidRequest(field: "path", reason: "is not *")
        case .authority where request.method != .connect:
            throw InvalidRequest(field: "method", reason: "is not CONNECT, for a tunnel")
        default: break
        }
        append(request.method.rawValue, to: &output)
        output.append(ASCII.space)
        switch target {
        case .origin: append(path, to: &output)
        case .absolute:
            append(scheme, to: &output)
            append("://", to: &output)
            append(plan.authority, to: &output)
            // OPTIONS for a whole server has no path in this form (RFC 9112, section 3.2.4).
            if path != "*" { append(path, to: &output) }
        case .authority: append(plan.authority, to: &output)
        case .asterisk: append("*", to: &output)
        }
        append(" HTTP/1.1\r\n", to: &output)
    }

    private static func appendFraming(
        _ framing: RequestFraming, of method: HTTPRequest.Method, to output: inout [UInt8]
    ) {
        let length: UInt64
        switch framing {
        case .chunked: return append("Transfer-Encoding: chunked\r\n", to: &output)
        case .length(let count): length = count
        // A body has a meaning for these methods, so its absence is stated (RFC 9110, section 8.6).
        case .none where method == .post || method == .put || method == .patch: length = 0
        case .none: return
        }
        append("Content-Length: ", to: &output)
        appendNumber(length, radix: 10, to: &output)
        append("\r\n", to: &output)
    }

    private static func append(
        _ field: HTTPField, joining cookies: [HTTPField] = [], to output: inout [UInt8]
    ) {
        append(field.name.rawName, to: &output)
        append(": ", to: &output)
        unsafe field.withUnsafeBytesOfValue { unsafe output.append(contentsOf: $0) }
        for cookie in cookies {
            append("; ", to: &output)
            unsafe cookie.withUnsafeBytesOfValue { unsafe output.append(contentsOf: $0) }
        }
        append("\r\n", to: &output)
    }

    private static func append(
        _ name: HTTPField.Name, _ value: String, to output: inout [UInt8]
    ) {
        append(name.rawName, to: &output)
        append(": ", to: &output)
        append(value, to: &output)
        append("\r\n", to: &output)
    }

    @inline(__always)
    private static func append(_ text: String, to output: inout [UInt8]) {
        let bytes = text.utf8.span
        unsafe bytes.withUnsafeBufferPointer { unsafe output.append(contentsOf: $0) }
    }

    @inline(__always)
    private static func append(_ text: StaticString, to output: inout [UInt8]) {
        // The pointer lives as long as the program: the text is a literal.
        unsafe output.append(
            contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private static func appendNumber(_ number: UInt64, radix: UInt64, to output: inout [UInt8]) {
        let first = output.count
        var rest = number
        repeat {
            let digit = UInt8(rest % radix)
            output.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
            rest /= radix
        } while rest > 0
        output[first...].reverse()
    }
}
