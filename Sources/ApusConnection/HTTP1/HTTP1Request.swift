import ApusCore
import ApusHTTP1
import ApusTunnel
import HTTPTypes

/// How a request looks on an HTTP/1.1 connection.
extension TargetForm {
    /// Absolute-form for an http origin through an http proxy (RFC 9112, section 3.2.2).
    init(of head: HTTPRequest, on route: Route) {
        if head.method == .connect, head.extendedConnectProtocol == nil {
            self = .authority
        } else if route.isForwarded {
            self = .absolute
        } else {
            self = head.path == "*" ? .asterisk : .origin
        }
    }
}

extension OutgoingRequest {
    /// What the request says about its connection; an upgrade's is not kept, said or not.
    var connectionOption: ConnectionOption {
        if let upgrade { return .upgrade(upgrade) }
        return closesConnection ? .close : .keepAlive
    }

    /// Fields that belong to the hop to a forwarding proxy.
    ///
    /// - Parameter authorization: what answers the proxy's 407, if it has asked.
    private func proxyFields(_ authorization: String?) -> HTTPFields {
        guard route.isForwarded, let proxy = route.proxies.last else { return HTTPFields() }
        return proxy.fields(authorization: authorization)
    }

    /// Whether the body waits for a 100, because the caller's `Expect` says so.
    var expectsContinue: Bool { !body.isEmpty && hasExpectation }

    /// Appends the head as it goes out, with what peers have answered to earlier tries.
    func appendHTTP1Head(
        _ amendments: Amendments, to output: inout [UInt8]
    ) throws(InvalidRequest) {
        // An expectation that was refused, or that has no body to wait for, does not go out (RFC
        // 9110, section 10.1.1).
        guard hasExpectation, amendments.omitsExpectation || body.isEmpty else {
            return try append(head, plan, amendments, to: &output)
        }
        var head = head
        head.headerFields[.expect] = nil
        try append(head, nil, amendments, to: &output)
    }

    private func append(
        _ head: HTTPRequest, _ plan: RequestFieldPlan?, _ amendments: Amendments,
        to output: inout [UInt8]
    ) throws(InvalidRequest) {
        try RequestEncoder.appendHead(
            of: head, plan: plan, target: target, framing: RequestFraming(of: body),
            connection: connectionOption,
            additional: proxyFields(amendments.proxyAuthorization), to: &output)
    }

    static func hasExpectation(_ head: HTTPRequest) -> Bool {
        head.headerFields.contains {
            $0.name == .expect && $0.value.lowercased() == "100-continue"
        }
    }
}

extension RequestFraming {
    /// A known length is said, an unknown one is chunked, no body on a bodiless method says
    /// nothing.
    init(of body: BodyFacts) {
        guard let length = body.length else {
            self = .chunked
            return
        }
        self = length == 0 ? .none : .length(length)
    }
}
