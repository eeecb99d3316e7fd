import Apus
import ApusCore
import ApusHTTP1
import ApusRetry
import Glibc
import HTTPTypes
import Loopback

// What one head, and one exchange, cost: nanoseconds and allocations. `Benchmarks/micro` runs it.

/// Allocations of the calling thread so far; `nil` without `allocations.c` preloaded.
func allocations() -> Int? {
    counter.map { Int($0()) }
}

private let counter: (@convention(c) () -> UInt)? = {
    dlsym(nil, "apus_allocations").map {
        unsafeBitCast($0, to: (@convention(c) () -> UInt).self)
    }
}()

private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Prints a row: the best of seven rounds, and the allocations of one.
private func measure(_ name: String, rounds: Int = 50_000, _ body: () throws -> Void) rethrows {
    var best = UInt64.max
    var allocated: Double?
    for _ in 0..<7 {
        let (before, start) = (allocations(), nanoseconds())
        for _ in 0..<rounds { try body() }
        best = min(best, nanoseconds() - start)
        if let before, let after = allocations() {
            allocated = Double(after - before) / Double(rounds)
        }
    }
    let each = Double(best) / Double(rounds)
    print("| \(name) | \(Int(each.rounded())) ns | \(shown(allocated)) |")
}

private func shown(_ allocated: Double?) -> String {
    guard let allocated else { return "not counted" }
    return "\((allocated * 10).rounded() / 10)"
}

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

private func parse(_ bytes: [UInt8], _ machine: inout HTTP1Session) throws {
    machine.requestStarted(method: .get, expectsClose: false, upgrade: nil)
    machine.requestFinished()
    var offset = 0
    while try machine.nextEvent(in: bytes.span.bytes, offset: &offset) != nil {}
}

private func measureHeads() throws {
    for (name, text) in [("a head of 5 fields", small), ("a head of 19 fields", events)] {
        let bytes = Array(text.utf8)
        var machine = HTTP1Session(limits: .init())
        try measure("parse \(name), \(bytes.count) B") { try parse(bytes, &machine) }
    }
    var request = HTTPRequest(
        method: .post, scheme: "https", authority: "api.example.com", path: "/v1/messages")
    for (name, value) in [
        ("Content-Type", "application/json"), ("Accept", "text/event-stream"),
        ("Authorization", "Bearer 0123456789abcdef"), ("User-Agent", "bench/1"),
    ] {
        if let name = HTTPField.Name(name) { request.headerFields[name] = value }
    }
    let plan = try RequestFieldPlan(for: request, target: .origin, framing: .length(70_000))
    var output: [UInt8] = []
    output.reserveCapacity(4096)
    try measure("write a head of 6 fields") {
        output.removeAll(keepingCapacity: true)
        try RequestEncoder.appendHead(
            of: request, plan: plan, target: .origin, framing: .length(70_000),
            connection: .keepAlive, additional: [:], to: &output)
    }
}

/// One exchange after the other on one connection, by a task on the connection's own thread.
private func measureExchanges() async throws {
    let server = try LoopbackServer()
    let engine = try TransportEngine(.executor)
    let url = "http://127.0.0.1:\(server.port)/bytes/1024"
    let request = try HTTPRequest.get(url)
    let origin = try Origin(scheme: .http, host: "127.0.0.1", port: Int(server.port))
    let key = Choice.credential("key", [.authorization: "Bearer 0123456789abcdef"], for: origin)
    let stacks: [(String, any HTTPTransport)] = [
        ("an exchange: GET of 1 KiB, its connection kept", engine),
        ("the same with Retrying", Retrying(engine)),
        ("the same with Redirecting", Redirecting(engine)),
        ("the same with Redirecting(Retrying)", Redirecting(Retrying(engine))),
        ("the same with Rotating over a credential", try Rotating(over: [key], engine)),
    ]
    for (name, transport) in stacks {
        let (time, allocated) = try await Task(executorPreference: engine.taskExecutor) {
            () -> (UInt64, Double?) in
            for _ in 0..<500 { _ = try await transport.send(request).body.collect(upTo: 4096) }
            let (before, start) = (allocations(), nanoseconds())
            for _ in 0..<2000 { _ = try await transport.send(request).body.collect(upTo: 4096) }
            let time = (nanoseconds() - start) / 2000
            guard let before, let after = allocations() else { return (time, nil) }
            return (time, Double(after - before) / 2000)
        }.value
        print("| \(name) | \(time) ns | \(shown(allocated)) |")
    }
    await engine.shutdown()
    server.stop()
}

print("| what | thread's CPU time | allocations |\n|---|---|---|")
try measureHeads()
try await measureExchanges()
