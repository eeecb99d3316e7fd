import ApusConnection
import ApusCore
import HTTPTypes
import Testing

/// What is refused before anything is dialled, and what a request is on its route.
@Suite struct OutgoingRequestTests {
    /// Checks a request as the engine does, without a memory of routes.
    private func make(
        _ head: HTTPRequest, body: RequestBody = .empty, options: RequestOptions = .init(),
        tuning: EngineTuning = .default
    ) throws(InvalidRequest) -> OutgoingRequest {
        try OutgoingRequest(
            head, body: body, options: options, tuning: tuning, isRaw: false
        ) { (_, make) throws(InvalidRequest) in try make() }
    }

    private func get(_ authority: String? = "origin.test", scheme: String? = "http")
        -> HTTPRequest
    {
        HTTPRequest(method: .get, scheme: scheme, authority: authority, path: "/")
    }

    /// The field at fault; `nil` when the request is taken.
    private func fault(
        _ head: HTTPRequest, body: RequestBody = .empty, options: RequestOptions = .init()
    ) -> String? {
        do throws(InvalidRequest) {
            _ = try make(head, body: body, options: options)
            return nil
        } catch {
            return error.field
        }
    }

    @Test func theRouteFollowsFromTheRequestAndItsOptions() throws {
        var options = RequestOptions()
        options.isolation = IsolationScope("tenant")
        let request = try make(get("Origin.Test:8080"), options: options)
        #expect(request.route.origin.host == "origin.test")
        #expect(request.route.origin.port == 8080)
        #expect(request.route.isolation == options.isolation)
        #expect(request.route.proxies.isEmpty)
    }

    @Test func whatIsMissingOrWrongIsNamed() {
        #expect(fault(get()) == nil)
        #expect(fault(get(scheme: "ftp")) == "scheme")
        #expect(fault(get(scheme: nil)) == "scheme")
        #expect(fault(get(nil)) == "host")
        var connect = get("origin.test:443")
        connect.method = .connect
        connect.path = nil
        #expect(fault(connect) == "method")
        var trace = get()
        trace.method = .trace
        #expect(fault(trace) == "method")
        var options = RequestOptions()
        options.allowsConnectAndTrace = true
        #expect(fault(trace, options: options) == nil)
        #expect(fault(trace, body: .bytes(Bytes("x")), options: options) == "body")
    }

    @Test func aTimeoutIsAboveZero() {
        let timeouts: [WritableKeyPath<RequestOptions, Duration?>] = [
            \.acquireTimeout, \.connectTimeout, \.totalTimeout, \.headTimeout, \.readIdleTimeout,
            \.writeIdleTimeout, \.responseTimeout, \.firstByteTimeout, \.stallNotice,
        ]
        for timeout in timeouts {
            var options = RequestOptions()
            options[keyPath: timeout] = .zero
            #expect(fault(get(), options: options) == "timeout")
            options[keyPath: timeout] = .seconds(-1)
            #expect(fault(get(), options: options) == "timeout")
            options[keyPath: timeout] = .nanoseconds(1)
            #expect(fault(get(), options: options) == nil)
        }
    }

    @Test func anUnlimitedTimeoutIsNone() throws {
        var options = RequestOptions()
        options.totalTimeout = RequestOptions.unlimited
        options.acquireTimeout = RequestOptions.unlimited
        let request = try make(get(), options: options)
        #expect(request.totalTimeout == nil)
        #expect(request.acquireTimeout == nil)
        let usual = try make(get())
        #expect(usual.acquireTimeout == EngineTuning.default.pool.acquireTimeout)
    }

    @Test(arguments: [
        (HTTPRequest.Method.get, true), (.head, true), (.options, true), (.put, true),
        (.delete, true), (.post, false), (.patch, false),
    ])
    func idempotency(_ method: HTTPRequest.Method, isIdempotent: Bool) throws {
        var head = get()
        head.method = method
        #expect(try make(head).isIdempotent == isIdempotent)
        var options = RequestOptions()
        options.isIdempotent = true
        #expect(try make(head, options: options).isIdempotent)
        head.headerFields[try #require(.init("Idempotency-Key"))] = "1"
        #expect(try make(head).isIdempotent)
    }

    @Test func theBodyIsLetGoOnce() throws {
        let request = try make(get(), body: .bytes(Bytes("body")))
        #expect(request.holdsBody)
        #expect(request.content.length == 4)
        request.letGoOfBody()
        #expect(request.content.length == 0)
        #expect(!(try make(get()).holdsBody))
    }
}
