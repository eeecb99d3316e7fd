package import ApusCore
package import HTTPTypes

/// Refuses requests whose bytes could be read as something else, before any of them is sent.
///
/// swift-http-types checks most of this, but not leniently created values, nor paths and
/// authorities.
package enum RequestValidator {
    /// Checks method, path, authority, and each field's name and value.
    ///
    /// - Throws: `InvalidRequest`, whose `field` names the part or the field at fault.
    package static func validate(_ request: HTTPRequest) throws(InvalidRequest) {
        try check(method: request.method)
        if let authority = request.authority { try check(authority: authority) }
        if let path = request.path {
            try check(path: path, method: request.method)
        } else if request.method != .connect {
            throw InvalidRequest(field: "path", reason: "is missing")
        }
        try check(fields: request.headerFields)
    }

    /// Checks trailers: none may frame the body, belong to a connection, or be needed before the
    /// body (RFC 9110, section 6.5.1).
    ///
    /// - Throws: `InvalidRequest` naming a trailer that cannot be sent as one.
    package static func check(trailers: HTTPFields) throws(InvalidRequest) {
        try check(fields: trailers)
        for field in trailers { try check(trailer: field.name) }
    }

    /// Checks the name of a trailer.
    ///
    /// - Throws: `InvalidRequest` naming the trailer.
    package static func check(trailer name: HTTPField.Name) throws(InvalidRequest) {
        let name = name.canonicalName
        guard FieldRole(canonicalName: name) == .plain, !isOfHeadOnly(name) else {
            throw InvalidRequest(field: name, reason: "cannot be sent as a trailer")
        }
    }

    /// Names that route or modify a request, authenticate it, or describe its content.
    private static func isOfHeadOnly(_ name: String) -> Bool {
        switch name {
        case "authorization", "cache-control", "content-encoding", "content-range", "content-type",
            "cookie", "expect", "max-forwards", "pragma", "range", "set-cookie", "trailer",
            "www-authenticate":
            true
        default: name.hasPrefix("if-")
        }
    }

    static func check(method: HTTPRequest.Method) throws(InvalidRequest) {
        guard isToken(method.rawValue) else {
            throw InvalidRequest(field: "method", reason: "is not a token")
        }
    }

    /// Accepts visible ASCII, without bytes that begin another part of a URL (RFC 3986, section
    /// 3.2).
    static func check(authority: String) throws(InvalidRequest) {
        let authority = authority.utf8.span
        guard !authority.isEmpty else { throw InvalidRequest(field: "host", reason: "is empty") }
        for index in authority.indices {
            let byte = authority[index]
            guard byte > 0x20, byte < 0x7F else {
                throw InvalidRequest(
                    field: "host",
                    reason: "contains a blank, a control byte or a non-ASCII byte (\(byte))")
            }
            switch byte {
            case UInt8(ascii: "@"):
                throw InvalidRequest(field: "host", reason: "contains user information")
            case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "\\"),
                ASCII.comma:
                throw InvalidRequest(field: "host", reason: "is more than a host and a port")
            default: continue
            }
        }
    }

    /// Origin-form, or the asterisk of OPTIONS (RFC 9112, section 3.2).
    static func check(path: String, method: HTTPRequest.Method) throws(InvalidRequest) {
        let bytes = path.utf8.span
        if bytes.count == 1, bytes[0] == UInt8(ascii: "*") {
            guard method == .options else {
                throw InvalidRequest(field: "path", reason: "is * but the method is not OPTIONS")
            }
            return
        }
        guard !bytes.isEmpty, bytes[0] == UInt8(ascii: "/") else {
            throw InvalidRequest(field: "path", reason: "does not begin with a slash")
        }
        for index in bytes.indices {
            let byte = bytes[index]
            guard byte > 0x20, byte < 0x7F else {
                throw InvalidRequest(
                    field: "path",
                    reason: "contains a blank, a control byte or a non-ASCII byte (\(byte));"
                        + " percent-encode it")
            }
            guard byte != UInt8(ascii: "#") else {
                throw InvalidRequest(
                    field: "path", reason: "contains a fragment, which is never sent")
            }
        }
    }

    static func check(fields: HTTPFields) throws(InvalidRequest) {
        for field in fields {
            guard isToken(field.name.rawName) else {
                throw InvalidRequest(field: field.name.rawName, reason: "is not a field name")
            }
            guard isValue(field) else {
                throw InvalidRequest(
                    field: field.name.canonicalName, reason: "contains a control byte in its value")
            }
        }
    }

    static func isToken(_ text: String) -> Bool {
        let bytes = text.utf8.span
        for index in bytes.indices where !ASCII.isToken(bytes[index]) { return false }
        return !bytes.isEmpty
    }

    /// Whether the value has no control byte except tab: CR, LF and NUL would end the field.
    private static func isValue(_ field: HTTPField) -> Bool {
        unsafe field.withUnsafeBytesOfValue { bytes in
            let span = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(bytes))
            return span.firstControl(from: 0) == span.byteCount
        }
    }
}
