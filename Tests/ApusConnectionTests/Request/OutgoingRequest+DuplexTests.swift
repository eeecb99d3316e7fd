import ApusConnection
import ApusCore
import HTTPTypes
import Testing

/// Requests that ask for a raw duplex: what could be meant in two ways is refused.
@Suite struct OutgoingRequestDuplexTests {
    struct Sample: Sendable, CustomStringConvertible {
        let description: String
        /// The field at fault; `nil` when the request is taken.
        let fault: String?
        var head: HTTPRequest
        var options = RequestOptions()
        var body = RequestBody.empty

        init(
            _ description: String, _ fault: String?, _ method: HTTPRequest.Method,
            authority: String = "origin.test:443", path: String? = nil, as name: String? = nil,
            _ change: (inout Sample) -> Void = { _ in }
        ) {
            self.description = description
            self.fault = fault
            head = HTTPRequest(
                method: method, scheme: "http", authority: authority, path: path)
            if let name { head.extendedConnectProtocol = name }
            options.allowsConnectAndTrace = true
            change(&self)
        }
    }

    private static let samples = [
        Sample("an upgrade", nil, .get, path: "/") { $0.options.upgrade = "websocket" },
        Sample("an upgrade to several", nil, .get, path: "/") { $0.options.upgrade = "a/1, b" },
        Sample("an upgrade to no token", "upgrade", .get, path: "/") {
            $0.options.upgrade = "a b"
        },
        Sample("an upgrade over h2", "versions", .get, path: "/") {
            $0.options.upgrade = "websocket"
            $0.options.versions = .http2Only
        },
        Sample("an upgrade with a body", "body", .get, path: "/") {
            $0.options.upgrade = "websocket"
            $0.body = .bytes(Bytes("x"))
        },
        Sample("CONNECT", nil, .connect),
        Sample("CONNECT to IPv6", nil, .connect, authority: "[::1]:443"),
        Sample("CONNECT without a port", "host", .connect, authority: "origin.test"),
        Sample("CONNECT to IPv6 without one", "host", .connect, authority: "[::1]"),
        Sample("CONNECT with an empty port", "host", .connect, authority: "origin.test:"),
        Sample("CONNECT with a path", "path", .connect, path: "/"),
        Sample("CONNECT with an upgrade", "upgrade", .connect) {
            $0.options.upgrade = "websocket"
        },
        Sample("CONNECT with a length", "Content-Length", .connect) {
            $0.head.headerFields[.contentLength] = "0"
        },
        Sample("extended CONNECT", nil, .connect, path: "/", as: "websocket"),
        Sample("a protocol without CONNECT", "method", .get, path: "/", as: "websocket"),
        Sample("two protocols", "protocol", .connect, path: "/", as: "a, b"),
        Sample("extended CONNECT without a path", "path", .connect, as: "websocket"),
        Sample("extended CONNECT over HTTP/1.1", "versions", .connect, path: "/", as: "x") {
            $0.options.versions = .http1Only(alpn: .http1)
        },
        Sample("extended CONNECT with a body", "body", .connect, path: "/", as: "x") {
            $0.body = .bytes(Bytes("x"))
        },
        Sample("extended CONNECT with an upgrade", "upgrade", .connect, path: "/", as: "x") {
            $0.options.upgrade = "websocket"
        },
    ]

    @Test(arguments: samples)
    func whatCouldBeMeantInTwoWaysIsRefused(_ sample: Sample) {
        var fault: String?
        do throws(InvalidRequest) {
            _ = try OutgoingRequest(
                sample.head, body: sample.body, options: sample.options, tuning: .default,
                isRaw: false
            ) { (_, make) throws(InvalidRequest) in try make() }
        } catch {
            fault = error.field
        }
        #expect(fault?.lowercased() == sample.fault?.lowercased())
    }
}
