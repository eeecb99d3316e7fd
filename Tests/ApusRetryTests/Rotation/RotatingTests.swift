import Apus
import ApusRetry
import Testing

/// The shell of the rotation over a scripted transport.
@Suite(.timeLimit(.minutes(5))) struct RotatingTests {
    private let clock = ManualClock()
    private let url = "https://a.example/"

    private func credentials(_ count: Int) throws -> [Choice] {
        let origin = try Origin(scheme: .https, host: "a.example")
        return (0..<count).map { number in
            .credential("key-\(number)", [.authorization: "\(number)"], for: origin)
        }
    }

    private func rotating(
        _ choices: [Choice], _ stub: TransportStub,
        _ change: (inout RotationPolicy) -> Void = { _ in }
    ) throws -> Rotating {
        var policy = RotationPolicy()
        change(&policy)
        return try Rotating(over: choices, stub, policy: policy, clock: clock.clock)
    }

    private func used(_ stub: TransportStub) -> [String?] {
        stub.calls.map { $0.request.headerFields[.authorization] }
    }

    @Test func choicesAreFromOneToTenThousand() throws {
        let stub = TransportStub(TransportStub.answer(200))
        for count in [1, Rotating.maxChoices] {
            let rotating = try rotating((0..<count).map { Choice("\($0)") }, stub)
            #expect(rotating.state().count == count)
        }
        for count in [0, Rotating.maxChoices + 1] {
            let error = #expect(throws: InvalidTuning.self) {
                try rotating((0..<count).map { Choice("\($0)") }, stub)
            }
            #expect(error?.description == "choices: \(count) is not in 1...10000")
        }
    }

    @Test func requestsGoRoundTheChoicesAndNameThem() async throws {
        let stub = TransportStub(TransportStub.answer(200))
        let rotating = try rotating(try credentials(2), stub)
        var names: [String?] = []
        for _ in 0..<3 {
            names += try await rotating.send(.get(url)).info.tries.map(\.choice)
        }
        #expect(names == ["key-0", "key-1", "key-0"])
        #expect(used(stub) == ["0", "1", "0"])
    }

    @Test func aLimitedChoiceIsPutAsideAndTheNextOneAnswers() async throws {
        let stub = TransportStub(
            TransportStub.answer(429, [.retryAfter: "30"]), TransportStub.answer(200))
        let rotating = try rotating(try credentials(2), stub) { $0.order = .firstHealthy }
        let response = try await rotating.send(.post(url), body: .bytes(Bytes("body")))
        #expect(response.info.tries.results == ["429", "200"])
        #expect(response.info.tries.map(\.choice) == ["key-0", "key-1"])
        #expect(
            rotating.state() == [
                .init(name: "key-0", failures: 1, asideFor: .seconds(30)),
                .init(name: "key-1", failures: 0, asideFor: nil),
            ])
        _ = try await rotating.send(.get(url))
        clock.advance(by: .seconds(30))
        #expect(rotating.state().map(\.asideFor) == [nil, nil])
        _ = try await rotating.send(.get(url))
        #expect(used(stub) == ["0", "1", "1", "0"])
        #expect(rotating.state().map(\.failures) == [0, 0])
    }

    @Test func theLastAnswerIsReturnedWhenNoChoiceIsLeft() async throws {
        let stub = TransportStub(
            TransportStub.answer(401), TransportStub.answer(429),
            TransportStub.answer(403, body: ResponseBody([Bytes("no")])))
        let response = try await rotating(try credentials(3), stub).send(.get(url))
        #expect(response.status == .forbidden)
        #expect(String(try await response.body.collect(upTo: 10)) == "no")
        #expect(response.info.tries.results == ["401", "429", "403"])
    }

    @Test(arguments: [1, 2, 3])
    func aRequestTriesAtMostItsLimitOfChoices(limit: Int) async throws {
        let stub = TransportStub(TransportStub.answer(429))
        let rotating = try rotating(try credentials(5), stub) { $0.limit = limit }
        #expect(try await rotating.send(.get(url)).status == .tooManyRequests)
        #expect(stub.calls.count == limit)
    }

    @Test func whereAllAreAsideTheSoonestIsUsedOrTheRequestFails() async throws {
        let stub = TransportStub(
            TransportStub.answer(429, [.retryAfter: "9"]),
            TransportStub.answer(429, [.retryAfter: "5"]))
        let soonest = try rotating(try credentials(2), stub)
        _ = try await soonest.send(.get(url))
        _ = try await soonest.send(.get(url))
        #expect(used(stub) == ["0", "1", "1"])

        let failing = try rotating(
            try credentials(2), TransportStub(TransportStub.answer(429, [.retryAfter: "9"]))
        ) { $0.exhaustion = .fail }
        _ = try await failing.send(.get(url))
        let error = await #expect(throws: TransportError.self) {
            try await failing.send(.get(url))
        }
        #expect(error?.kind == .overloaded)
        #expect(error?.replay == .notSent)
        #expect(error?.message == "each choice is put aside, the next one for 10 s more")
    }

    /// An error at the origin is no fault of a credential, and no other one would help.
    @Test func anErrorIsNoFaultOfACredential() async throws {
        let stub = TransportStub(TransportStub.failure(.connect(errno: 111), .connect))
        let rotating = try rotating(try credentials(2), stub)
        let error = await #expect(throws: TransportError.self) {
            try await rotating.send(.get(url))
        }
        #expect(error?.tries.map(\.choice) == ["key-0"])
        #expect(rotating.state().map(\.failures) == [0, 0])
        #expect(stub.calls.count == 1)
    }

    /// A proxy is put aside for what fails at the proxy; after another failure the request only
    /// moves on.
    @Test func aFailingProxyIsPutAside() async throws {
        let stub = TransportStub(
            TransportStub.failure(.connect(errno: 111), .connect, hop: .proxy),
            TransportStub.answer(200), TransportStub.failure(.reset, .head, .unknown))
        let proxies = try (1...3).map { port in
            Choice.proxy(
                "proxy-\(port)", .proxy(try ProxyEndpoint(parsing: "http://127.0.0.1:\(port)")))
        }
        let rotating = try rotating(proxies, stub)
        let response = try await rotating.send(.get(url))
        #expect(response.info.tries.results == ["connect", "200"])
        #expect(response.info.tries.map(\.choice) == ["proxy-1", "proxy-2"])
        #expect(rotating.state().map(\.asideFor) == [.seconds(1), nil, nil])
        await #expect(throws: TransportError.self) { try await rotating.send(.get(url)) }
        #expect(rotating.state().map(\.failures) == [1, 0, 0])
        #expect(stub.calls.count == 4)
    }

    /// In doubt only what is idempotent moves on, but the choice is put aside in both cases.
    @Test(arguments: [(true, 2), (false, 1)])
    func aTryInDoubtIsRepeatedOnlyWithoutHarm(isIdempotent: Bool, calls: Int) async throws {
        let stub = TransportStub(
            TransportStub.failure(.malformed, .head, .unknown),
            TransportStub.failure(.connect(errno: 111), .connect, .notSent))
        let origins = try ["b.example", "c.example"].map {
            Choice.origin($0, try Origin(scheme: .http, host: $0))
        }
        let rotating = try rotating(origins, stub)
        var options = RequestOptions()
        options.isIdempotent = isIdempotent
        let request = try HTTPRequest.post(url)
        let error = await #expect(throws: TransportError.self) {
            try await rotating.send(request, options: options)
        }
        #expect(error?.replay == .unknown)
        #expect(stub.calls.count == calls)
        #expect(
            stub.calls.map(\.request.authority) == Array(["b.example", "c.example"].prefix(calls)))
        #expect(rotating.state().map(\.failures) == (isIdempotent ? [1, 1] : [1, 0]))
    }

    @Test func aBodyThatCannotBeRepeatedUsesOneChoice() async throws {
        let stub = TransportStub(TransportStub.answer(429))
        let body = RequestBody.oneShot { ResponseBody([Bytes("once")]) }
        let response = try await rotating(try credentials(2), stub).send(.post(url), body: body)
        #expect(response.status == .tooManyRequests)
        #expect(stub.calls.count == 1)
    }

    @Test func theTotalTimeoutCoversAllTries() async throws {
        let clock = clock
        let stub = TransportStub(
            { call in
                clock.advance(by: .seconds(4))
                return TransportStub.answer(429)(call)
            }, TransportStub.answer(200))
        var options = RequestOptions()
        options.totalTimeout = .seconds(10)
        _ = try await rotating(try credentials(2), stub).send(.get(url), options: options)
        #expect(stub.calls.map(\.options.totalTimeout) == [.seconds(10), .seconds(6)])
    }

    @Test func anAnswerThatIsPassedOverIsReleasedFirst() async throws {
        let witness = Witness()
        let stub = TransportStub(
            { _ in
                .success(
                    Response(HTTPResponse(status: .tooManyRequests), body: witness.body()))
            },
            { call in
                TransportStub.answer(witness.isReleased ? 200 : 500)(call)
            })
        #expect(try await rotating(try credentials(2), stub).send(.get(url)).status == .ok)
    }

    @Test func aChoiceMayHaveItsOwnTransport() async throws {
        let (first, second) = (
            TransportStub(TransportStub.failure(.shutdown)),
            TransportStub(TransportStub.answer(200))
        )
        let rotating = try rotating([Choice("a", transport: first), Choice("b")], second)
        await #expect(throws: TransportError.self) { try await rotating.send(.get(url)) }
        #expect(try await rotating.send(.get(url)).info.tries.map(\.choice) == ["b"])
        #expect(first.calls.count == 1)
        #expect(second.calls.count == 1)
    }

    /// Retries around a rotation wait between its rounds.
    @Test func retriesAroundARotationWaitBetweenItsRounds() async throws {
        let stub = TransportStub(
            TransportStub.answer(429, [.retryAfter: "4"]),
            TransportStub.answer(429, [.retryAfter: "8"]), TransportStub.answer(200))
        let rotating = try rotating(try credentials(2), stub)
        let stack = Retrying(rotating, budget: nil, clock: clock.clock, random: { 1 })
        let response = try await stack.send(.get(url))
        #expect(response.info.tries.results == ["429", "429", "200"])
        #expect(response.info.tries.map(\.choice) == ["key-0", "key-1", "key-1"])
        #expect(response.info.tries.map(\.pause) == [.zero, .zero, .seconds(8)])
    }
}
