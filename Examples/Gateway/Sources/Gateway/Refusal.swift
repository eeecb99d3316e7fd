package import Apus
package import Hummingbird
import NIOCore

/// The gateway's own answer to a request that has no answer of the upstream.
package struct Refusal: Sendable {
    package let status: HTTPResponse.Status
    package let message: String
    /// Seconds for `Retry-After`; `nil` where sending again does not help.
    package let retryAfter: Int?

    /// The answer to a failed exchange; it holds no address and no route.
    package init(_ error: TransportError) {
        message = "\(error.kind.name) in phase \(error.phase.rawValue)"
        switch error.kind {
        case .timeout: status = .gatewayTimeout
        case .invalidRequest, .producerFailed: status = .badRequest
        case .overloaded, .shutdown, .resource: status = .serviceUnavailable
        default: status = .badGateway
        }
        retryAfter = status == .serviceUnavailable ? 1 : nil
    }

    package init(_ status: HTTPResponse.Status, _ message: String) {
        self.status = status
        self.message = message
        retryAfter = nil
    }

    package var response: Hummingbird.Response {
        let json = #"{"error":{"type":"gateway","message":"\#(message)"}}"#
        var fields: HTTPFields = [.contentType: "application/json"]
        if let retryAfter { fields[.retryAfter] = "\(retryAfter)" }
        return Hummingbird.Response(
            status: status, headers: fields,
            body: .init(byteBuffer: ByteBuffer(string: json + "\n")))
    }
}
