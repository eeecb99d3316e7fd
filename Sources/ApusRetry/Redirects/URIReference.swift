/// A URI reference in its five parts, and its resolution against a base (RFC 3986, section 5).
///
/// Nothing is decoded or encoded; a part that is absent is `nil`, which differs from an empty one.
package struct URIReference: Sendable, Hashable {
    /// The scheme in lower case, without its colon.
    package var scheme: String?
    /// User information, host and port, as spelled.
    package var authority: String?
    /// The path, which may be empty.
    package var path: String
    /// The query, without its question mark.
    package var query: String?
    /// The fragment, without its number sign.
    package var fragment: String?

    /// Creates a reference from its parts.
    package init(
        scheme: String? = nil, authority: String? = nil, path: String, query: String? = nil,
        fragment: String? = nil
    ) {
        self.scheme = scheme
        self.authority = authority
        self.path = path
        self.query = query
        self.fragment = fragment
    }

    /// Creates the URL of a request from its target: a path, perhaps with a query; "*" is the root.
    init(scheme: String, authority: String, target: String) {
        let end = target.utf8.firstIndex(of: question) ?? target.endIndex
        let path = target[..<end]
        self.init(
            scheme: scheme, authority: authority,
            path: path.utf8.first == slash ? String(path) : "/",
            query: end == target.endIndex ? nil : String(target[end...].dropFirst()))
    }

    /// Splits a text into its parts (RFC 3986, appendix B); every text has parts.
    package init(parsing text: String) {
        var rest = text[...].utf8
        scheme = URIReference.takeScheme(from: &rest)
        if rest.starts(with: "//".utf8) {
            let end =
                rest.dropFirst(2).firstIndex { $0 == slash || $0 == question || $0 == numberSign }
                ?? rest.endIndex
            authority = String(Substring(rest[..<end].dropFirst(2)))
            rest = rest[end...]
        }
        let fragmentStart = rest.firstIndex(of: numberSign)
        if let fragmentStart { fragment = String(Substring(rest[fragmentStart...].dropFirst())) }
        rest = rest[..<(fragmentStart ?? rest.endIndex)]
        let queryStart = rest.firstIndex(of: question)
        if let queryStart { query = String(Substring(rest[queryStart...].dropFirst())) }
        path = String(Substring(rest[..<(queryStart ?? rest.endIndex)]))
    }

    /// Takes `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ) ":"` (section 3.1).
    private static func takeScheme(from rest: inout Substring.UTF8View) -> String? {
        let end = rest.firstIndex { byte in
            switch byte {
            case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, UInt8(ascii: "+"), UInt8(ascii: "-"),
                UInt8(ascii: "."):
                false
            default: true
            }
        }
        guard let end, rest[end] == UInt8(ascii: ":"), let first = rest.first,
            (0x41...0x5A).contains(first) || (0x61...0x7A).contains(first)
        else { return nil }
        let scheme = String(Substring(rest[..<end])).lowercased()
        rest = rest[rest.index(after: end)...]
        return scheme
    }

    /// The target of this reference within the document of `base` (section 5.2.2, strict).
    ///
    /// The fragment is this reference's own; a redirect without one inherits that of the URL before
    /// (RFC 9110, section 10.2.2), which the caller does.
    package func resolved(against base: URIReference) -> URIReference {
        var target = self
        if scheme == nil {
            target.scheme = base.scheme
            if authority == nil {
                target.authority = base.authority
                if path.isEmpty {
                    target.path = base.path
                    target.query = query ?? base.query
                    return target
                }
                if path.utf8.first != slash { target.path = base.merging(path) }
            }
        }
        target.path = URIReference.removingDotSegments(from: target.path)
        return target
    }

    /// Appends a relative path to this path's directory (section 5.2.3).
    private func merging(_ relative: String) -> String {
        if authority != nil, path.isEmpty { return "/" + relative }
        guard let end = path.utf8.lastIndex(of: slash) else { return relative }
        return path[...end] + relative
    }

    /// Removes the segments "." and ".." (section 5.2.4), in one pass over the path.
    package static func removingDotSegments(from path: String) -> String {
        var kept: [Substring.UTF8View] = []
        let isAbsolute = path.utf8.first == slash
        let segments = path[...].utf8.dropFirst(isAbsolute ? 1 : 0)
            .split(separator: slash, omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            let isLast = index == segments.count - 1
            let isParent = segment.elementsEqual("..".utf8)
            if isParent, !kept.isEmpty { kept.removeLast() }
            if isParent || segment.elementsEqual(".".utf8) {
                // A dot segment at the end leaves the slash before it.
                if isLast { kept.append(""[...].utf8) }
            } else {
                kept.append(segment)
            }
        }
        let text = kept.map { String(Substring($0)) }.joined(separator: "/")
        return isAbsolute ? "/" + text : text
    }

    /// The parts in one text (section 5.3).
    package var text: String {
        var text = scheme.map { $0 + ":" } ?? ""
        if let authority { text += "//" + authority }
        text += path
        if let query { text += "?" + query }
        if let fragment { text += "#" + fragment }
        return text
    }
}

private let slash = UInt8(ascii: "/")
private let question = UInt8(ascii: "?")
private let numberSign = UInt8(ascii: "#")
