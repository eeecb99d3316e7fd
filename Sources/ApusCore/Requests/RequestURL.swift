/// An absolute `http` or `https` URL, split into what a request needs.
///
/// Path and query are not changed: nothing is decoded, normalised or re-encoded.
public struct RequestURL: Sendable, Hashable {
    /// Scheme, host and port.
    public let origin: Origin
    /// Path and query as they are sent; "/" when the URL has none.
    public let target: String

    /// Reads `scheme://host[:port][/path][?query]`; a fragment is removed, since it is never sent
    /// (RFC 9110, section 7.1).
    ///
    /// - Throws: `InvalidRequest` naming the part at fault.
    public init(parsing url: String) throws(InvalidRequest) {
        guard let separator = url.firstRange(of: "://") else {
            throw InvalidRequest(field: "url", reason: "is not absolute: scheme://host is missing")
        }
        let schemeText = url[..<separator.lowerBound].lowercased()
        guard let scheme = Scheme(rawValue: schemeText) else {
            throw InvalidRequest(field: "scheme", reason: "is neither http nor https")
        }
        let rest = url[separator.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        origin = try Origin(scheme: scheme, authority: String(rest[..<end]))
        let target = rest[end...].prefix { $0 != "#" }
        self.target = target.isEmpty ? "/" : target.hasPrefix("?") ? "/" + target : String(target)
        try RequestURL.check(target: self.target)
    }

    /// Refuses bytes that could end or split a request line: blanks, control bytes and non-ASCII
    /// bytes.
    package static func check(target: String) throws(InvalidRequest) {
        for byte in target.utf8 where byte <= 0x20 || byte >= 0x7F {
            throw InvalidRequest(
                field: "path",
                reason: "contains a blank, a control byte or a non-ASCII byte (\(byte));"
                    + " percent-encode it")
        }
    }
}
