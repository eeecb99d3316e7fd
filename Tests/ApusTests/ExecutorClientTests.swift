import Apus
import Loopback
import Testing

/// A client's choices, and that they never overrule a request's.
@Suite(.timeLimit(.minutes(5))) struct ExecutorClientTests {
    @Test(
        arguments: [
            (Duration.zero, nil, nil), (.seconds(-1), nil, nil), (.seconds(5), nil, .seconds(5)),
            (.seconds(5), .seconds(2), .seconds(2)), (.zero, .seconds(2), .seconds(2)),
        ] as [(Duration, Duration?, Duration?)])
    func aTimeoutOfZeroIsOffAndARequestsOwnComesFirst(
        _ timeout: Duration, _ own: Duration?, _ expected: Duration?
    ) async throws {
        let recorder = Recorder()
        let found = try ExecutorClient.resolve(
            over: recorder, credentialProxy: "direct", timeout: timeout)
        var options = RequestOptions()
        options.totalTimeout = own
        let client = found.client(otherwise: Recorder())
        _ = await transportError {
            _ = try await client.send(.get("http://origin.test/"), options: options)
        }
        #expect(recorder.seen?.totalTimeout == expected)
    }

    @Test func theTimeoutEndsARequest() async throws {
        try await withStand(.http1) { stand in
            let found = try ExecutorClient.resolve(over: stand.engine, timeout: .milliseconds(50))
            let client = found.client(otherwise: stand.engine)
            let error = await transportError {
                _ = try await client.send(.get(stand.url("/hang")))
            }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .total)
        }
    }

    @Test func aClientWithoutAnOpinionLeavesTheInnerOnesChoices() async throws {
        let recorder = Recorder()
        let inner = ExecutorClient(
            recorder, proxy: .direct, isolation: "inner", versions: .http1Only(alpn: .omit),
            timeout: .seconds(3))
        let outer = ExecutorClient(inner)
        _ = await transportError { _ = try await outer.send(.get("http://origin.test/")) }
        #expect(recorder.seen?.proxy == .direct)
        #expect(recorder.seen?.isolation == "inner")
        #expect(recorder.seen?.versions == .http1Only(alpn: .omit))
        #expect(recorder.seen?.totalTimeout == .seconds(3))
        let opinionated = ExecutorClient(inner, isolation: "outer", versions: .http2Only)
        _ = await transportError { _ = try await opinionated.send(.get("http://origin.test/")) }
        #expect(recorder.seen?.isolation == "outer")
        #expect(recorder.seen?.versions == .http2Only)
    }
}
