package import ApusCore
package import HTTPTypes

/// Which of the caller's fields are sent, decided and checked before anything is written.
package struct RequestFieldPlan: Sendable {
    /// The authority for the target and for a generated `Host`; empty when the caller's `Host` is
    /// used.
    let authority: String
    /// The caller placed `Host`.
    private(set) var hasHost = false
    /// The caller placed the field that frames the body.
    private(set) var hasFraming = false
    /// The positions of the caller's `Connection` and `Upgrade`, where the engine's values are
    /// sent.
    private(set) var connectionIndex: Int?
    private(set) var upgradeIndex: Int?
    /// Whether `TE` is sent, which `Connection` must then list (RFC 9110, section 10.1.4).
    private var sendsTE = false
    /// The position of the first `Cookie`, and those of the fields joined to it: HTTP/2 splits
    /// cookies, and HTTP/1.1 has them in one field (RFC 9113, section 8.2.3).
    private var cookieIndex: Int?
    private var moreCookies: [Int] = []
    /// The positions of fields that are not sent, in order; usually empty.
    private var dropped: [Int] = []

    /// Checks a whole request and decides on its fields.
    ///
    /// - Throws: `InvalidRequest` naming the field that cannot be sent or that contradicts another.
    package init(
        for request: HTTPRequest, target: TargetForm, framing: RequestFraming
    ) throws(InvalidRequest) {
        try RequestValidator.validate(request)
        try self.init(
            request.headerFields, request: request, target: target, framing: framing)
    }

    init(
        _ fields: HTTPFields, request: HTTPRequest, target: TargetForm, framing: RequestFraming
    ) throws(InvalidRequest) {
        authority = request.authority ?? ""
        let listed = RequestFieldPlan.namesListed(in: fields)
        var cookies: [Int] = []
        for index in fields.indices {
            let field = fields[index]
            let role = FieldRole(canonicalName: field.name.canonicalName)
            guard RequestFieldPlan.sends(field, role, listed) else {
                dropped.append(index)
                if role == .connection { connectionIndex = connectionIndex ?? index }
                if role == .upgrade { upgradeIndex = upgradeIndex ?? index }
                continue
            }
            switch role {
            case .host: try placeHost(field, target)
            case .contentLength: try placeLength(field, framing)
            case .transferEncoding:
                if try !placesEncoding(field, framing) { dropped.append(index) }
            case .te: sendsTE = true
            case .plain where field.name.canonicalName == "cookie": cookies.append(index)
            default: continue
            }
        }
        if cookies.count > 1 { join(cookies, of: fields) }
        guard hasHost && target != .absolute && target != .authority || !authority.isEmpty else {
            throw InvalidRequest(field: "host", reason: "is missing")
        }
    }

    /// The value sent in place of a field of the caller that is not sent as it is.
    func replacement(at index: Int, _ connection: ConnectionOption) -> String? {
        if index == connectionIndex { return connectionValue(connection) }
        return index == upgradeIndex ? connection.protocols : nil
    }

    /// The value of `Connection`; `nil` where it is not needed.
    func connectionValue(_ connection: ConnectionOption) -> String? {
        guard sendsTE else { return connection.option }
        return connection.option.map { "\($0), TE" } ?? "TE"
    }

    /// Whether the caller's field at this position is sent.
    func sends(_ index: Int) -> Bool {
        var lower = 0
        var upper = dropped.count
        while lower < upper {
            let middle = (lower + upper) / 2
            if dropped[middle] == index { return false }
            if dropped[middle] < index { lower = middle + 1 } else { upper = middle }
        }
        return true
    }

    /// The `Cookie` fields that are sent with the one at this position, in order.
    func cookies(joinedAt index: Int) -> [Int] { index == cookieIndex ? moreCookies : [] }

    /// Fields for one hop are never sent on the next (RFC 9110, section 7.6.1), except `TE:
    /// trailers`, which is about the message.
    private static func sends(
        _ field: HTTPField, _ role: FieldRole, _ listed: Set<String>
    ) -> Bool {
        switch role {
        case .connection, .keepAlive, .upgrade, .hopByHop: false
        case .te: field.value.lowercased() == "trailers"
        case .plain, .host, .contentLength, .transferEncoding:
            listed.isEmpty || !listed.contains(field.name.canonicalName)
        }
    }

    /// The names listed by the caller's `Connection`, in lower case: they are for one hop only.
    private static func namesListed(in fields: HTTPFields) -> Set<String> {
        guard fields.contains(.connection) else { return [] }
        return Set(fields.elements(of: .connection))
    }

    private mutating func placeHost(
        _ field: HTTPField, _ target: TargetForm
    ) throws(InvalidRequest) {
        guard !hasHost else {
            throw InvalidRequest(field: "host", reason: "appears more than once")
        }
        try RequestValidator.check(authority: field.value)
        // These targets name the host too, and two different names would be ambiguous.
        if target == .absolute || target == .authority {
            guard field.value.lowercased() == authority.lowercased() else {
                throw InvalidRequest(field: "host", reason: "differs from the request's authority")
            }
        }
        hasHost = true
    }

    private mutating func placeLength(
        _ field: HTTPField, _ framing: RequestFraming
    ) throws(InvalidRequest) {
        guard !hasFraming else {
            throw InvalidRequest(
                field: "content-length", reason: "appears together with other framing")
        }
        let length: UInt64
        switch framing {
        case .none: length = 0
        case .length(let count): length = count
        case .chunked:
            throw InvalidRequest(field: "content-length", reason: "is given for a chunked body")
        }
        guard field.value == String(length) else {
            throw InvalidRequest(field: "content-length", reason: "differs from the body's length")
        }
        hasFraming = true
    }

    /// Whether the field is sent: chunks frame a body for one hop, and the engine decides how its
    /// own is framed (RFC 9112, section 6.1).
    private mutating func placesEncoding(
        _ field: HTTPField, _ framing: RequestFraming
    ) throws(InvalidRequest) -> Bool {
        guard field.value.lowercased() == "chunked" else {
            throw InvalidRequest(
                field: "transfer-encoding", reason: "is a coding that the engine does not apply")
        }
        guard framing == .chunked else {
            throw InvalidRequest(
                field: "transfer-encoding", reason: "differs from how the body is sent")
        }
        guard !hasFraming else { return false }
        hasFraming = true
        return true
    }

    /// Joins several `Cookie` fields into one; empty fields add nothing.
    private mutating func join(_ cookies: [Int], of fields: HTTPFields) {
        let full = cookies.filter { !fields[$0].value.utf8.allSatisfy(ASCII.isBlank) }
        cookieIndex = full.first ?? cookies[0]
        moreCookies = Array(full.dropFirst())
        dropped += cookies.filter { $0 != cookieIndex }
        dropped.sort()
    }
}
