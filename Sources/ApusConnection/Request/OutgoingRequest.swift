package import ApusCore
import ApusHTTP1
package import HTTPTypes

/// A request that was checked and knows its way: everything that its tries share.
package final class OutgoingRequest: Sendable {
    let head: HTTPRequest
    package let body: BodyFacts
    /// The body itself; `nil` where there is none.
    private let heldBody: HeldBody?
    package let route: Route
    package let reuse: RequestOptions.Reuse
    /// The protocol asked for instead of HTTP; `nil` asks for none.
    let upgrade: String?
    /// Whether it asks for a duplex on an HTTP/2 stream (RFC 8441).
    let isExtendedConnect: Bool
    let onInformational: (@Sendable (HTTPResponse) -> Void)?
    /// The form of the request's target on HTTP/1.1.
    let target: TargetForm
    /// Which of the fields go out on HTTP/1.1, made before anything is dialled.
    let plan: RequestFieldPlan
    /// Whether the fields say `Expect: 100-continue`.
    let hasExpectation: Bool
    /// For the queue of the pool; `nil` is for ever.
    package let acquireTimeout: Duration?
    /// For a dial; `nil` is as long as the dial may take.
    package let connectTimeout: Duration?
    /// Whether it waits for the pause after a failed dial to end.
    package let waitsOutBackoff: Bool
    package let totalTimeout: Duration?
    package let headTimeout: Duration?
    /// The limits of single waits on the connection; `nil` without any.
    let waitLimits: ExchangeWatch.Limits?
    package let limits: EngineTuning.Limits
    /// Whether an unclear failure on a reused connection may be tried again.
    package let isIdempotent: Bool
    package let metadata: RequestMetadata?

    /// Checks the request and works out its route.
    ///
    /// - Parameters:
    ///   - isRaw: the target is wanted as a raw duplex, and the head is never sent.
    ///   - findRoute: gives the route for these requirements, by the closure where it knows none.
    /// - Throws: `InvalidRequest` naming the part at fault; nothing has been dialled.
    package init(
        _ head: HTTPRequest, body: RequestBody, options: borrowing RequestOptions,
        tuning: borrowing EngineTuning, isRaw: Bool,
        findRoute: (RouteRequirements, () throws(InvalidRequest) -> Route) throws(InvalidRequest)
            -> Route
    ) throws(InvalidRequest) {
        guard let scheme = head.scheme.flatMap(Scheme.init(text:)) else {
            throw InvalidRequest(field: "scheme", reason: "is neither http nor https")
        }
        isExtendedConnect = head.extendedConnectProtocol != nil
        if !isRaw, !options.allowsConnectAndTrace {
            guard head.method != .trace, head.method != .connect || isExtendedConnect else {
                throw InvalidRequest(
                    field: "method",
                    reason: "is \(head.method), which RequestOptions.allowsConnectAndTrace allows")
            }
        }
        let wantsDuplex =
            options.upgrade != nil || head.method == .connect || isExtendedConnect
        if wantsDuplex, !isRaw { try OutgoingRequest.checkDuplex(head, body, options) }
        guard head.method != .trace || body.isEmpty else {
            throw InvalidRequest(field: "body", reason: "does not go with TRACE")  // RFC 9110
        }
        guard let authority = head.authority else {
            throw InvalidRequest(field: "host", reason: "is missing")
        }
        try OutgoingRequest.checkTimeouts(options)
        let requirements = RouteRequirements(
            authority: ExactText(lookingFor: authority), scheme: scheme, proxy: options.proxy,
            versions: isExtendedConnect
                ? .http2Only
                : wantsDuplex ? options.versionsForDuplex : options.versions ?? .automatic,
            isolation: options.isolation, connectTo: options.connectTo,
            purpose: isRaw ? .rawBytes : options.upgrade != nil ? .upgrade : .exchanges)
        route = try findRoute(requirements) { () throws(InvalidRequest) in
            let origin = try Origin(scheme: scheme, authority: authority)
            let route = Route(
                origin: origin, proxies: try options.proxy.proxies(for: origin),
                versions: requirements.versions, tls: tuning.tls,
                localAddress: tuning.dial.localAddress,
                localInterface: tuning.dial.localInterface,
                connectTo: options.connectTo, isolation: options.isolation,
                purpose: requirements.purpose)
            try route.checkProxies()
            return route
        }
        if wantsDuplex, !isRaw { try OutgoingRequest.checkConnect(head, on: route) }
        let named = route.hasLiteral ? head.naming(route.origin) : head
        let sent = try OutgoingRequest.head(named, options.priority, body.trailerNames)
        let facts = BodyFacts(body)
        target = TargetForm(of: sent, on: route)
        plan = try RequestFieldPlan(
            for: sent, target: target, framing: RequestFraming(of: facts))
        hasExpectation = OutgoingRequest.hasExpectation(sent)
        self.head = sent
        self.body = facts
        heldBody = body.isEmpty && !body.isEmptyByWord ? nil : HeldBody(body)
        reuse = options.reuse
        upgrade = options.upgrade
        onInformational = options.onInformational
        acquireTimeout = (options.acquireTimeout ?? tuning.pool.acquireTimeout).bounded
        connectTimeout = options.connectTimeout.bounded
        waitsOutBackoff = options.waitsOutBackoff
        totalTimeout = options.totalTimeout.bounded
        headTimeout = options.headTimeout.bounded
        waitLimits = ExchangeWatch.Limits(options)
        limits = tuning.limits
        metadata = options.metadata
        isIdempotent = options.isIdempotent || OutgoingRequest.isIdempotent(head)
    }

    /// The body as it is to go out; empty once it was let go.
    package var content: RequestBody { heldBody?.content ?? .empty }

    /// Whether there is a body that may be let go.
    package var holdsBody: Bool { heldBody != nil }

    /// The body has gone out, or will not, and no other try follows: its memory is free again.
    package func letGoOfBody() {
        heldBody?.letGo()
    }

    private static func head(
        _ head: HTTPRequest, _ priority: RequestPriority?, _ trailerNames: [HTTPField.Name]
    ) throws(InvalidRequest) -> HTTPRequest {
        guard priority != nil || !trailerNames.isEmpty else { return head }
        var head = head
        if let value = try priority?.fieldValue(), !head.headerFields.contains(priorityField) {
            head.headerFields.append(HTTPField(name: priorityField, value: value))
        }
        for name in trailerNames { try RequestValidator.check(trailer: name) }
        if !trailerNames.isEmpty, !head.headerFields.contains(.trailer) {
            let value = trailerNames.map(\.rawName).joined(separator: ", ")
            head.headerFields.append(HTTPField(name: .trailer, value: value))
        }
        return head
    }

    private static func checkTimeouts(_ options: RequestOptions) throws(InvalidRequest) {
        try check(timeout: options.acquireTimeout)
        try check(timeout: options.connectTimeout)
        try check(timeout: options.totalTimeout)
        try check(timeout: options.headTimeout)
        try check(timeout: options.readIdleTimeout)
        try check(timeout: options.writeIdleTimeout)
        try check(timeout: options.responseTimeout)
        try check(timeout: options.firstByteTimeout)
        try check(timeout: options.stallNotice)
    }

    private static func check(timeout: Duration?) throws(InvalidRequest) {
        guard let timeout, timeout <= .zero else { return }
        throw InvalidRequest(field: "timeout", reason: "\(timeout) is not above zero")
    }

    /// What brings a body that is not at hand, made in the caller's task; `nil` for others.
    func makePump() -> UploadPump? {
        guard holdsBody else { return nil }
        let body = content
        if case .segments = body.content { return nil }
        return UploadPump(body.content, maxBuffered: limits.uploadBufferBytes)
    }

    /// RFC 9110, section 9.2.2, and the `Idempotency-Key` field that APIs use for POST.
    private static func isIdempotent(_ head: HTTPRequest) -> Bool {
        switch head.method {
        case .get, .head, .options, .put, .delete, .trace: true
        default: head.headerFields.contains(idempotencyKey)
        }
    }
}

/// RFC 9218, section 5.
private let priorityField = HTTPField.Name(known: "Priority")
/// Of the draft "The Idempotency-Key HTTP Header Field", as APIs use it for POST.
private let idempotencyKey = HTTPField.Name(known: "Idempotency-Key")

extension ExchangeWatch.Limits {
    /// `nil` when the options have none.
    fileprivate init?(_ options: borrowing RequestOptions) {
        self.init(
            writeIdle: options.writeIdleTimeout.bounded, response: options.responseTimeout.bounded,
            firstByte: options.firstByteTimeout.bounded, readIdle: options.readIdleTimeout.bounded,
            notice: options.stallNotice.bounded)
    }
}

extension Duration? {
    /// The timeout; `nil` when it is no limit at all.
    fileprivate var bounded: Duration? {
        self.flatMap { $0 < RequestOptions.unlimited ? $0 : nil }
    }
}

extension OutgoingRequest {
    /// The limit of a wait; `nil` when the request has none.
    package func limit(of wait: ExchangeWait) -> TimeLimit? {
        let duration =
            switch wait {
            case .acquire: acquireTimeout
            case .connect: connectTimeout
            case .writeIdle: waitLimits?.writeIdle
            case .head: headTimeout
            case .response: waitLimits?.response
            case .firstByte: waitLimits?.firstByte
            case .readIdle: waitLimits?.readIdle
            case .total: totalTimeout
            }
        return duration.map { TimeLimit(wait, $0) }
    }

    /// The limit of the wait in a phase before the request is on a connection, or of the whole.
    package func limit(in phase: TransportError.Phase) -> TimeLimit? {
        switch phase {
        case .total: limit(of: .total)
        case .pool: limit(of: .acquire)
        case .connect: limit(of: .connect)
        case .head: limit(of: .head)
        default: nil
        }
    }

    /// What that limit says: what did not come, in which time, by which option.
    package func lateness(in phase: TransportError.Phase) -> String {
        limit(in: phase)?.explanation ?? "the time is over"
    }

    /// The error of a wait in a phase that was longer than its limit, before the request is on a
    /// connection.
    package func timeout(in phase: TransportError.Phase, _ message: String) -> TransportError {
        var error = TransportError(.timeout, phase: phase, message: message)
        error.timeLimit = limit(in: phase)
        return error
    }

    /// Whether its connection closes after it.
    var closesConnection: Bool { reuse == .oneShot || reuse == .pooledThenClosed }
}

extension HTTPRequest {
    /// An address goes out in its canonical spelling, and without its zone, which means something
    /// on this machine only (RFC 6874, section 4).
    fileprivate func naming(_ origin: Origin) -> HTTPRequest {
        guard let authority, !origin.isSpelled(in: authority) else { return self }
        var head = self
        let isForTunnel = method == .connect && extendedConnectProtocol == nil
        head.authority = isForTunnel ? origin.hostAndPort : origin.authority
        return head
    }
}
