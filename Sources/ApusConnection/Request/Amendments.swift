package import HTTPTypes

/// How a request differs from what its caller made, by what a peer has answered to it.
///
/// Each part is changed once at most, so that there is never a loop.
package struct Amendments: Sendable {
    /// `Expect: 100-continue` was refused and stays out of the head.
    package var omitsExpectation = false
    /// What the proxy that forwards the request has asked for.
    package var proxyAuthorization: String?

    package init(proxyAuthorization: String? = nil) {
        self.proxyAuthorization = proxyAuthorization
    }
}

/// What an answer allows for the next try.
extension Exchange {
    /// Whether the peer refused the expectation alone, and the request can go out without it.
    package func mayDropExpectation(after head: HTTPResponse) -> Bool {
        head.status.code == 417 && request.expectsContinue && !amendments.omitsExpectation
            && mayRepeat
    }
}
