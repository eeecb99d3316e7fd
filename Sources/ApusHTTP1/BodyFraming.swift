import HTTPTypes

/// Where a response's body ends.
enum BodyFraming: Equatable {
    /// The response has no body.
    case none
    /// The response has no body, and the connection becomes a raw duplex.
    case tunnel
    case chunked
    case length(UInt64)
    /// The body ends with the connection.
    case untilClose

    /// Applies the rules of RFC 9112, section 6.3, in order.
    ///
    /// It is stricter than the RFC where a recipient may choose: a head that two readers could
    /// interpret differently is refused.
    static func of(
        code: Int, minorVersion: UInt8, facts: MessageFacts, asked: RequestFacts
    ) throws(HTTP1Error) -> BodyFraming {
        // 1. HEAD, 1xx, 204 and 304 have no body, whatever the fields say.
        if code == 101 {
            try checkUpgrade(facts, asked)
            return .tunnel
        }
        // 2. A 2xx to CONNECT starts a tunnel; its length and encoding are ignored, even when they
        // are malformed (RFC 9110, section 9.3.6).
        if asked.isConnect, 200..<300 ~= code { return .tunnel }
        if let fault = facts.lengthFault { throw fault }
        if code < 200 || code == 204 || code == 304 || asked.isHead { return .none }
        guard facts.encodings > 0 else {
            // 6. A valid Content-Length; 8. otherwise the body ends with the connection.
            return facts.contentLength.map { .length($0) } ?? .untilClose
        }
        // 3. Both together allow request smuggling.
        guard facts.contentLength == nil else {
            throw .encodingWithLength
        }
        // 6.1: a server must not send Transfer-Encoding to, or as, HTTP/1.0.
        guard minorVersion > 0 else {
            throw .encodingInHTTP10
        }
        // 4. We accept no other coding (TE), so another coding, or a second one, is a fault.
        guard facts.encodings == 1, facts.isChunked else {
            throw .otherCoding
        }
        return .chunked
    }

    /// A switch of protocols must be requested, named, and come after the whole request (RFC 9110,
    /// section 7.8); otherwise both sides could disagree on where the new protocol begins.
    private static func checkUpgrade(
        _ facts: MessageFacts, _ asked: RequestFacts
    ) throws(HTTP1Error) {
        guard asked.upgrade != nil else { throw .upgradeNotRequested }
        guard facts.hasUpgrade else { throw .upgradeWithoutName }
        guard asked.isFinished else {
            throw .upgradeBeforeRequestEnd
        }
        if let fault = facts.lengthFault { throw fault }
    }
}

/// The facts of a request that determine its response's framing.
struct RequestFacts {
    var isHead = false
    var isConnect = false
    /// The protocols requested instead of HTTP.
    var upgrade: String?
    /// The request had `Connection: close`.
    var expectsClose = false
    /// The whole request was sent.
    var isFinished = true
}

/// What the fields of a message say about its framing and its connection.
struct MessageFacts {
    private(set) var contentLength: UInt64?
    /// Content-Length was repeated, or was a list, always with one value.
    private(set) var isLengthRepeated = false
    /// The number of codings in Transfer-Encoding.
    private(set) var encodings = 0
    private(set) var isChunked = false
    /// The fault of a Content-Length; whether it counts depends on the framing.
    private(set) var lengthFault: HTTP1Error?
    private(set) var hasUpgrade = false
    private(set) var saysClose = false
    private(set) var saysKeepAlive = false
    private(set) var keepAlive = KeepAliveHint()

    /// Notes a field that is a fact.
    mutating func note(
        _ role: FieldRole, _ value: Range<Int>, in bytes: RawSpan
    ) {
        switch role {
        case .contentLength: noteLength(value, in: bytes)
        case .transferEncoding:
            bytes.forEachElement(of: value) { coding in
                encodings += 1
                isChunked = bytes.equals("chunked", in: coding)
            }
        case .connection:
            bytes.forEachElement(of: value) { option in
                if bytes.equals("close", in: option) { saysClose = true }
                if bytes.equals("keep-alive", in: option) { saysKeepAlive = true }
            }
        case .keepAlive: noteKeepAlive(value, in: bytes)
        case .upgrade: hasUpgrade = true
        case .plain, .host, .te, .hopByHop: break
        }
    }

    /// Accepts digits only, within 63 bits; a list or a repetition must be of one number.
    private mutating func noteLength(_ value: Range<Int>, in bytes: RawSpan) {
        bytes.forEachElement(of: value) { element in
            guard lengthFault == nil else { return }
            guard let length = MessageFacts.number(element, in: bytes) else {
                lengthFault = .invalidLength
                return
            }
            guard contentLength == nil || contentLength == length else {
                lengthFault = .differingLengths
                return
            }
            isLengthRepeated = contentLength != nil
            contentLength = length
        }
    }

    /// Notes `timeout` in seconds and `max` in requests; other parameters are ignored.
    private mutating func noteKeepAlive(_ value: Range<Int>, in bytes: RawSpan) {
        bytes.forEachElement(of: value) { parameter in
            guard let equals = parameter.first(where: { bytes.byte($0) == 0x3D }) else { return }
            let name = bytes.trimmed(parameter.lowerBound..<equals)
            let digits = bytes.trimmed(equals + 1..<parameter.upperBound)
            guard let number = MessageFacts.number(digits, in: bytes),
                let count = Int32(exactly: number)
            else { return }
            if bytes.equals("timeout", in: name) { keepAlive.timeout = .seconds(Int64(count)) }
            if bytes.equals("max", in: name) { keepAlive.max = Int(count) }
        }
    }

    private static func number(_ digits: Range<Int>, in bytes: RawSpan) -> UInt64? {
        guard !digits.isEmpty else { return nil }
        var number: Int64 = 0
        for offset in digits {
            guard let digit = ASCII.digit(bytes.byte(offset)) else { return nil }
            let (product, isTooBig) = number.multipliedReportingOverflow(by: 10)
            let (sum, carries) = product.addingReportingOverflow(Int64(digit))
            guard !isTooBig, !carries else { return nil }
            number = sum
        }
        return UInt64(number)
    }
}
