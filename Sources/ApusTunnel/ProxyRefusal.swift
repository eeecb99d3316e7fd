package import ApusCore
package import HTTPTypes

/// A proxy's answer to CONNECT other than a tunnel, with its body up to a bound.
package struct ProxyRefusal: Sendable {
    private let maxBody: Int
    private var response: HTTPResponse?
    private var body: [UInt8] = []

    package init(limits: EngineTuning.Limits) {
        maxBody = limits.proxyErrorBodyBytes
    }

    /// The refusal as it is so far; `nil` before its head.
    package var error: TunnelError? {
        response.map {
            .refused(
                TransportError.ProxyAnswer(
                    status: $0.status.code, fields: $0.headerFields, body: Bytes(body)))
        }
    }

    /// Takes the head; throws the refusal where no body is kept.
    package mutating func headReceived(_ response: HTTPResponse) throws(TunnelError) {
        self.response = response
        try throwIfFull()
    }

    /// Takes a piece of the body; throws the refusal once the bound is reached.
    package mutating func bodyReceived(_ bytes: RawSpan) throws(TunnelError) {
        body.append(copying: bytes.extracting(first: min(bytes.byteCount, maxBody - body.count)))
        try throwIfFull()
    }

    private func throwIfFull() throws(TunnelError) {
        if body.count == maxBody, let error { throw error }
    }
}
