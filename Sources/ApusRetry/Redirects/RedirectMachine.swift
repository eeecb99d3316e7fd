package import Apus

/// Decides what follows each answer of a chain of redirects: the next request, the answer itself or
/// a refusal.
///
/// It sends nothing.
package struct RedirectMachine: Sendable {
    /// What follows an answer.
    package enum Decision: Sendable, Hashable {
        /// The answer is the caller's: it is no redirect, it names no target, or the body cannot be
        /// sent again.
        case deliver
        /// The next request of the chain.
        case follow(Hop)
        /// The redirect must not be followed.
        case refuse(RedirectFault)
    }

    /// The next request of a chain.
    package struct Hop: Sendable, Hashable {
        /// Method, URL and fields.
        package var request: HTTPRequest
        /// Whether the caller's body is sent with it.
        package var hasBody: Bool
        /// Whether it goes to the origin of the request before.
        package var isSameOrigin: Bool
    }

    /// A request of the chain, as far as a repetition of it is a loop.
    private struct Step: Sendable, Hashable {
        var method: HTTPRequest.Method
        var url: String
    }

    /// The URL of the last request; its fragment is inherited along the chain and is never sent.
    package private(set) var url: URIReference
    private var request: HTTPRequest
    private var origin: Origin
    private var hasBody = true
    /// The requests so far.
    ///
    /// Invariant: at most `rules.hops` + 1.
    private var steps: [Step]
    private let rules: RedirectRules

    /// Creates a machine for a request that was sent; `nil` when its URL is not one of http.
    package init?(_ request: HTTPRequest, rules: RedirectRules) {
        guard let scheme = request.scheme.flatMap(Scheme.init(text:)),
            let authority = request.authority,
            let origin = try? Origin(scheme: scheme, authority: authority),
            request.method != .connect
        else { return nil }
        self.request = request
        self.origin = origin
        self.rules = rules
        url = URIReference(
            scheme: scheme.rawValue, authority: origin.authorityWithZone,
            target: request.path ?? "/")
        steps = [Step(method: request.method, url: url.textWithoutFragment)]
    }

    /// Whether a status is one of those that are followed.
    package static func isRedirect(_ status: Int) -> Bool {
        switch status {
        case 301, 302, 303, 307, 308: true
        default: false
        }
    }

    /// Takes an answer's head.
    ///
    /// - Parameter isReplayable: whether the caller's body can be made again.
    package mutating func answered(_ head: HTTPResponse, isReplayable: Bool) -> Decision {
        let status = head.status.code
        guard RedirectMachine.isRedirect(status) else { return .deliver }
        var locations = head.headerFields.lazy.filter { $0.name == .location }.makeIterator()
        guard let location = locations.next() else { return .deliver }
        while let other = locations.next() {
            guard other.value == location.value else { return .refuse(.malformed) }
        }
        let becomesGet = changesMethod(status)
        guard becomesGet || !hasBody || isReplayable else { return .deliver }

        var target = URIReference(parsing: RedirectMachine.encoded(location)).resolved(against: url)
        target.fragment = target.fragment ?? url.fragment
        let next: Origin
        switch check(target) {
        case .success(let origin): next = origin
        case .failure(let fault): return .refuse(fault)
        }
        target.authority = next.authorityWithZone
        if target.path.isEmpty { target.path = "/" }
        let step = Step(
            method: becomesGet ? .get : request.method, url: target.textWithoutFragment)
        guard !steps.contains(step) else { return .refuse(.loop) }
        guard steps.count <= rules.hops else { return .refuse(.tooMany) }
        steps.append(step)
        return .follow(advance(to: target, at: next, becomesGet: becomesGet))
    }

    /// POST becomes GET after 301 and 302; all but GET and HEAD do after 303.
    private func changesMethod(_ status: Int) -> Bool {
        switch status {
        case 301, 302: request.method == .post
        case 303: request.method != .get && request.method != .head
        default: false
        }
    }

    /// The origin of a target, or why it must not be requested.
    private func check(_ target: URIReference) -> Result<Origin, RedirectFault> {
        guard let scheme = target.scheme.flatMap(Scheme.init(text:)) else {
            return .failure(.scheme)
        }
        guard let authority = target.authority else { return .failure(.malformed) }
        // Such a URL from another party is an error (RFC 9110, section 4.2.4).
        guard !authority.utf8.contains(UInt8(ascii: "@")) else {
            return .failure(.userInformation)
        }
        guard let origin = try? Origin(scheme: scheme, authority: authority) else {
            return .failure(.malformed)
        }
        guard origin.scheme == .https || self.origin.scheme == .http || rules.allowsInsecure else {
            return .failure(.insecure)
        }
        return .success(origin)
    }

    private mutating func advance(
        to target: URIReference, at next: Origin, becomesGet: Bool
    ) -> Hop {
        if becomesGet {
            request.method = .get
            hasBody = false
            for name in bodyFields { request.headerFields[name] = nil }
        }
        let isSameOrigin = next == origin
        if !isSameOrigin {
            for name in rules.credentialFields { request.headerFields[name] = nil }
            // It names the origin before.
            request.headerFields[hostField] = nil
        }
        if next.scheme == .http, origin.scheme == .https {
            // RFC 9110, section 10.1.3.
            request.headerFields[.referer] = nil
        }
        origin = next
        url = target
        request.scheme = target.scheme
        request.authority = target.authority
        request.path = target.query.map { "\(target.path)?\($0)" } ?? target.path
        return Hop(request: request, hasBody: hasBody, isSameOrigin: isSameOrigin)
    }

    /// The field's value with each blank, control byte and non-ASCII byte percent-encoded, as a
    /// browser requests it.
    private static func encoded(_ location: HTTPField) -> String {
        location.withUnsafeBytesOfValue { bytes in
            var text: [UInt8] = []
            text.reserveCapacity(bytes.count)
            for byte in bytes {
                if byte > 0x20, byte < 0x7F {
                    text.append(byte)
                } else {
                    text += [UInt8(ascii: "%"), hexadecimal(byte >> 4), hexadecimal(byte & 15)]
                }
            }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10
    }
}

/// Fields of a body, which go with it (the Fetch standard, "request-body-header name", and RFC
/// 9110, section 15.4).
private let bodyFields: [HTTPField.Name] = [
    .contentEncoding, .contentLanguage, .contentLocation, .contentType, .contentLength,
    .transferEncoding, .trailer, .expect, .lastModified, .contentRange,
    HTTPField.Name(known: "Digest"), HTTPField.Name(known: "Content-Digest"),
    HTTPField.Name(known: "Repr-Digest"), HTTPField.Name(known: "Content-MD5"),
]
private let hostField = HTTPField.Name(known: "Host")

extension URIReference {
    /// What a server sees of the URL.
    var textWithoutFragment: String {
        var copy = self
        copy.fragment = nil
        return copy.text
    }
}
