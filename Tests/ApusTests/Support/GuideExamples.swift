import Apus

/// The code of the guides in `Sources/Apus/Apus.docc`, word for word, so that it compiles.
///
/// `GuideTests` in ApusTidyTests compares. Nothing here is called: the hosts are examples.
private enum GuideExamples {
    static func tuning(_ configured: EngineTuning, _ client: ExecutorClient) throws {
        var tuning = EngineTuning.executor
        tuning.pool.maxIdlePerHost = 32
        tuning.pool.maxConnectionsPerHost = 64
        tuning.pool.lifetime = .seconds(1800)
        tuning.dial.connectTimeout = .seconds(4)
        let engine = try TransportEngine(tuning)

        let wider = configured.widened(atLeast: .executor)

        let options = client.options()
        try engine.prewarm("https://api.example.com", connections: 4, options: options)
        // Later, when a credential was revoked:
        engine.drain { $0.isolation == "credential-42" }
        _ = wider
    }

    static func readingASnapshot(_ engine: TransportEngine, _ response: Response) {
        let snapshot = engine.snapshot()
        print(snapshot)  // one line per route
        for entry in snapshot.connectionEntries { print(entry) }
        for (reason, count) in snapshot.counters.closes { print(reason, count) }

        let info = response.info
        if let cause = info.queuedFor {
            print("waited \(info.queued ?? .zero) for \(cause.rawValue)")
        }
        print("connection \(info.connectionID)", info.isReused ? "reused" : "new")
    }

    static func fromNetHTTP(_ json: Bytes, _ consume: (Bytes) -> Void) async throws {
        var tuning = EngineTuning.executor  // MaxIdleConns 200, MaxIdleConnsPerHost 20
        tuning.pool.maxConnectionsPerHost = 50  // MaxConnsPerHost
        let engine = try TransportEngine(tuning)

        let client = ExecutorClient(  // &http.Client{Transport: ..., Timeout: ...}
            engine, proxy: try ProxySetting(parsing: "http://user:word@proxy.example:3128"),
            isolation: "credential-42", timeout: .seconds(300))
        let response = try await client.send(
            .post("https://api.example.com/v1/messages"), body: .bytes(json))
        for try await chunk in response.body { consume(chunk) }
        await engine.shutdown(drain: .seconds(30))
    }

    static func heartbeat(_ response: Response, _ downstream: Duplex) async throws {
        let events = response.body.makeAsyncIterator()
        reading: while true {
            switch try await events.next(until: .now + .seconds(15)) {
            case .bytes(let piece): try await downstream.write(piece)
            case .nothing: try await downstream.write(Bytes(": still here\n\n"))
            case .end: break reading
            }
        }
    }

    static func piping(
        _ inbound: Response, _ length: UInt64?, _ client: ExecutorClient, _ url: String
    ) async {
        let passedOn = RequestBody.oneShot(length: length) { inbound.body }
        do throws(TransportError) {
            _ = try await client.send(.post(url), body: passedOn)
        } catch {
            if let cause = error.producerError { print("the client is at fault:", cause) }
        }
    }

    static func untrusted(
        _ text: String, _ name: String, _ value: String, _ request: inout HTTPRequest
    ) throws {
        let agent = try HTTPField(name: .userAgent, checking: text)
        request.headerFields.append(agent)
        request.headerFields.append(try HTTPField(checkingName: name, value: value))
    }

    static func whatApusRefuses() throws {
        var tuning = EngineTuning.executor
        tuning.http1.lenience.foldedFields = true
        let engine = try TransportEngine(tuning)
        _ = engine
    }

    struct Stub: HTTPTransport {
        func send(
            _ request: HTTPRequest, body: RequestBody, options: RequestOptions
        ) async throws(TransportError) -> Response {
            Response(HTTPResponse(status: .ok), body: ResponseBody([Bytes("hello\n")]))
        }
    }

    static func writingAGateway(
        _ inbound: HTTPRequest, _ upload: ResponseBody, _ client: ExecutorClient
    ) async throws {
        var options = RequestOptions()
        options.metadata = RequestMetadata(tag: "tenant-7", values: ["model": "large"])
        let response = try await client.send(
            inbound.removingHopByHopFields(), body: .oneShot { upload }, options: options)
        let head = response.head.removingHopByHopFields()
        _ = head
    }
}
