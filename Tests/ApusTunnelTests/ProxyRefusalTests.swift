import ApusCore
import ApusTunnel
import HTTPTypes
import Testing

/// What is kept of an answer that is no tunnel.
@Suite struct ProxyRefusalTests {
    private func refusal(keeping most: Int) -> ProxyRefusal {
        var limits = EngineTuning.Limits()
        limits.proxyErrorBodyBytes = most
        return ProxyRefusal(limits: limits)
    }

    private func answer(_ body: String) -> TunnelError {
        .refused(TransportError.ProxyAnswer(status: 403, fields: [:], body: Bytes(body)))
    }

    @Test func thereIsNoErrorBeforeTheHead() {
        #expect(refusal(keeping: 10).error == nil)
    }

    @Test func aRefusalWithoutABodyIsThrownAtItsHeadWhereNoneIsKept() throws {
        var refusal = refusal(keeping: 0)
        #expect(throws: answer("")) {
            try refusal.headReceived(HTTPResponse(status: .forbidden))
        }
    }

    @Test func theBodyIsKeptUpToItsBoundAndThrownThere() throws {
        var refusal = refusal(keeping: 5)
        try refusal.headReceived(HTTPResponse(status: .forbidden))
        try Bytes("abc").withSpan { (span) throws(TunnelError) in try refusal.bodyReceived(span) }
        #expect(refusal.error == answer("abc"))
        #expect(throws: answer("abcde")) {
            try Bytes("defg").withSpan { (span) throws(TunnelError) in
                try refusal.bodyReceived(span)
            }
        }
    }
}
