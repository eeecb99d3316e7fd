import ApusCore
import ApusHTTP1
import HTTPTypes

private let small = """
    HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    Content-Type: application/octet-stream\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n
    """
private let events = """
    HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n\
    request-id: req_0123456789abcdefghijklmn\r\nvia: 1.1 front\r\nserver: cloudflare\r\n\
    anthropic-ratelimit-requests-limit: 4000\r\nanthropic-ratelimit-requests-remaining: 3999\r\n\
    anthropic-ratelimit-requests-reset: 2026-01-01T00:00:00Z\r\n\
    anthropic-ratelimit-tokens-limit: 400000\r\nanthropic-ratelimit-tokens-remaining: 399000\r\n\
    anthropic-ratelimit-tokens-reset: 2026-01-01T00:00:00Z\r\n\
    anthropic-organization-id: 01234567-89ab-cdef-0123-456789abcdef\r\n\
    strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n\
    x-robots-tag: none\r\ncf-cache-status: DYNAMIC\r\ncf-ray: 0123456789abcdef-FRA\r\n\
    vary: accept-encoding\r\ncontent-length: 0\r\n\r\n
    """
private let changed = changing(
    events, ["00:00:00 GMT", "hijklmn", "3999", "abcdef-FRA"],
    to: ["00:00:01 GMT", "nmlkjih", "3998", "abcdee-FRA"])
private let chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    + String(repeating: "400\r\n" + String(repeating: "x", count: 1024) + "\r\n", count: 16)
    + "0\r\n\r\n"

/// What the codec of HTTP/1.1 does for a request and for a response.
func http1Cases() -> [Case] {
    [
        Case(name: "head-5", title: "parse a head of 5 fields") { received(small) },
        Case(name: "head-19", title: "parse a head of 19 fields") { received(events) },
        Case(name: "head-19-changed", title: "the same, 4 of them not those of the last head") {
            received(events, changed)
        },
        Case(name: "chunked-16", title: "parse a response of 16 chunks") { received(chunked) },
        Case(name: "request-check", title: "check a request of 6 fields") {
            let request = request()
            return {
                _ = try RequestFieldPlan(for: request, target: .origin, framing: .length(70_000))
            }
        },
        Case(name: "request-head", title: "write a head of 6 fields") {
            let request = request()
            let plan = try RequestFieldPlan(
                for: request, target: .origin, framing: .length(70_000))
            var output: [UInt8] = []
            output.reserveCapacity(4096)
            return {
                output.removeAll(keepingCapacity: true)
                try RequestEncoder.appendHead(
                    of: request, plan: plan, target: .origin, framing: .length(70_000),
                    connection: .keepAlive, additional: [:], to: &output)
            }
        },
    ]
}

private func changing(_ text: String, _ parts: [String], to others: [String]) -> String {
    zip(parts, others).reduce(text) { text, change in
        text.split(separator: change.0, maxSplits: 1).joined(separator: change.1)
    }
}

/// Parses responses by turns, as a connection that has received others.
private func received(_ texts: String...) -> () throws -> Void {
    let inputs = texts.map { Array($0.utf8) }
    var machine = HTTP1Session(limits: .init())
    var recent = RecentFields()
    var turn = 0
    return {
        machine.requestStarted(method: .get, expectsClose: false, upgrade: nil)
        machine.requestFinished()
        let bytes = inputs[turn]
        turn = (turn + 1) % inputs.count
        var offset = 0
        while try machine.nextEvent(
            in: bytes.span.bytes, offset: &offset, recent: &recent) != nil
        {}
    }
}

/// A request like those of an API.
func request() -> HTTPRequest {
    var request = HTTPRequest(
        method: .post, scheme: "https", authority: "api.example.com", path: "/v1/messages")
    for (name, value) in [
        ("Content-Type", "application/json"), ("Accept", "text/event-stream"),
        ("Authorization", "Bearer 0123456789abcdef"), ("User-Agent", "bench/1"),
    ] {
        if let name = HTTPField.Name(name) { request.headerFields[name] = value }
    }
    return request
}
