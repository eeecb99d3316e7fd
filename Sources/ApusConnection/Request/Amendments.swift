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
