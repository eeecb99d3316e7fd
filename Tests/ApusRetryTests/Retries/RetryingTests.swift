import Apus
import ApusRetry
import Testing

/// The shell of the retries over a scripted transport, with a clock that does not wait.
@Suite(.timeLimit(.minutes(5))) struct RetryingTests {
    private let clock = ManualClock()
    private let url = "https://a.example/"

    private func retrying(
        _ stub: TransportStub, budget: RetryBudget? = nil,
        _ change: (inout RetryPolicy) -> Void = { _ in }
    ) -> Retrying {
        var policy = RetryPolicy()
        change(&policy)
        return Retrying(
            stub, policy: policy, budget: budget, clock: clock.clock, random: { 1 })
    }

    @Test func aRequestThatNeedsOneTryIsLeftAlone() async throws {
        let stub = TransportStub(TransportStub.answer(200))
        var options = RequestOptions()
        options.totalTimeout = .seconds(7)
        let response = try await retrying(stub).send(.get(url), options: options)
        #expect(response.status == .ok)
        #expect(response.info.tries.isEmpty)
        #expect(stub.calls.map(\.options.totalTimeout) == [.seconds(7)])
        #expect(clock.waits.isEmpty)
    }

    @Test func anErrorOfASingleTryHasNoList() async throws {
        let stub = TransportStub(TransportStub.failure(.reset, .head, .responseStarted))
        let error = await #expect(throws: TransportError.self) {
            try await retrying(stub).send(.get(url))
        }
        #expect(error?.tries.count == 0)
        #expect(stub.calls.count == 1)
    }

    @Test func theWaitIsThatOfRetryAfter() async throws {
        let stub = TransportStub(
            TransportStub.answer(503, [.retryAfter: "2"]),
            // 9 s after the time of day.
            TransportStub.answer(429, [.retryAfter: "Sun, 06 Nov 1994 08:49:46 GMT"]),
            TransportStub.answer(200))
        let response = try await retrying(stub).send(.get(url))
        #expect(clock.waits == [.seconds(2), .seconds(9)])
        let tries = response.info.tries
        #expect(tries.results == ["503", "429", "200"])
        #expect(tries.map(\.pause) == [.zero, .seconds(2), .seconds(9)])
    }

    @Test func errorsAndAnswersAreListedWithTheirTimes() async throws {
        let clock = clock
        let stub = TransportStub(
            { call in
                clock.advance(by: .seconds(3))
                return TransportStub.failure(.reset)(call)
            },
            { call in
                clock.advance(by: .seconds(1))
                return TransportStub.answer(502)(call)
            }, TransportStub.failure(.connect(errno: 111), .connect))
        let error = await #expect(throws: TransportError.self) {
            try await retrying(stub).send(.get(url))
        }
        #expect(error?.tries.results == ["reset", "502", "connect"])
        #expect(error?.tries.map(\.duration) == [.seconds(3), .seconds(1), .zero])
        #expect(clock.waits == [.milliseconds(100), .milliseconds(200)])
        // A gateway that answered 502 may have acted on it.
        #expect(error?.replay == .unknown)
    }

    @Test func eachTryGetsWhatIsLeftOfTheTime() async throws {
        let clock = clock
        let slow: TransportStub.Step = { call in
            clock.advance(by: .seconds(3))
            return TransportStub.answer(503)(call)
        }
        let stub = TransportStub(slow)
        var options = RequestOptions()
        options.totalTimeout = .seconds(10)
        options.headTimeout = .seconds(5)
        let response = try await retrying(stub) {
            $0.backoff = .seconds(1)
            $0.attempts = 100
        }.send(.get(url), options: options)
        // The tries begin after 0, 4 and 9 s; the last one ends after the time.
        #expect(
            stub.calls.map(\.options.totalTimeout)
                == [.seconds(10), .seconds(6), .seconds(1)])
        #expect(stub.calls.allSatisfy { $0.options.headTimeout == .seconds(5) })
        #expect(response.status == .serviceUnavailable)
        #expect(response.info.tries.count == 3)
    }

    /// The last answer is the caller's, with its body, at once.
    @Test func noWaitIsLongerThanTheTime() async throws {
        let body = ResponseBody([Bytes("later")])
        let stub = TransportStub(TransportStub.answer(429, [.retryAfter: "10"], body: body))
        var options = RequestOptions()
        options.totalTimeout = .seconds(10)
        let response = try await retrying(stub).send(.get(url), options: options)
        #expect(response.status == .tooManyRequests)
        #expect(String(try await response.body.collect(upTo: 10)) == "later")
        #expect(clock.waits.isEmpty)
        #expect(stub.calls.count == 1)
    }

    @Test func theBudgetBoundsTheTriesOfAllRequests() async throws {
        let stub = TransportStub(TransportStub.answer(503))
        let budget = RetryBudget(ratio: 0, perSecond: 0, burst: 3)
        let retrying = retrying(stub, budget: budget)
        for count in [3, 5, 6] {
            #expect(try await retrying.send(.get(url)).status == .serviceUnavailable)
            #expect(stub.calls.count == count)
        }
        #expect(budget.balance == 0)
    }

    @Test func aSuccessfulRequestFillsTheBudget() async throws {
        let stub = TransportStub(TransportStub.answer(200))
        let budget = RetryBudget(ratio: 0.5, perSecond: 0, burst: 1)
        _ = try await retrying(TransportStub(TransportStub.answer(503)), budget: budget) {
            $0.attempts = 2
        }.send(.get(url))
        #expect(budget.balance == 0)
        _ = try await retrying(stub, budget: budget).send(.get(url))
        #expect(budget.balance == 0.5)
    }

    /// The answer is released before the wait, so that its connection is free or closed by then.
    @Test func anAnswerThatIsGivenUpIsReleasedBeforeTheWait() async throws {
        let witness = Witness()
        let stub = TransportStub(
            { _ in
                .success(
                    Response(HTTPResponse(status: .serviceUnavailable), body: witness.body()))
            },
            TransportStub.answer(200))
        let (stream, continuation) = AsyncStream.makeStream(of: Bool.self)
        clock.whenWaiting { continuation.yield(witness.isReleased) }
        #expect(try await retrying(stub).send(.get(url)).status == .ok)
        continuation.finish()
        #expect(await stream.reduce(into: []) { $0.append($1) } == [true])
    }

    @Test func cancellationEndsTheWaitAtOnce() async throws {
        let stub = TransportStub(TransportStub.failure(.reset, .head, .refusedByPeer))
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        let clock = RetryClock(
            now: { .now }, wallTime: { 0 },
            sleep: { _ in
                continuation.yield()
                try await Task.sleep(for: .seconds(3600))
            })
        let task = Task {
            try await Retrying(stub, clock: clock).send(.get("https://a.example/"))
        }
        var waits = stream.makeAsyncIterator()
        await waits.next()
        task.cancel()
        let error = await #expect(throws: TransportError.self) { try await task.value }
        #expect(error?.kind == .cancelled)
        #expect(error?.advice == .givenUp)
        #expect(error?.tries.results == ["reset"])
        #expect(stub.calls.count == 1)
    }

    /// A clock that does not notice cancellation is no way around it.
    @Test func aCancelledTaskBeginsNoFurtherTry() async throws {
        let stub = TransportStub(TransportStub.answer(503))
        let retrying = retrying(stub) { $0.backoff = .zero }
        let error = await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await #expect(throws: TransportError.self) {
                try await retrying.send(.get("https://a.example/"))
            }
        }.value
        #expect(error?.kind == .cancelled)
        #expect(stub.calls.count == 1)
    }

    @Test func aBodyThatFailsLaterIsNotRepeated() async throws {
        let failure = TransportError(
            .reset, phase: .body, message: "", replay: .responseStarted)
        let stub = TransportStub(
            TransportStub.answer(
                200, body: ResponseBody([Bytes("first")], failure: failure)))
        let response = try await retrying(stub).send(.get(url))
        await #expect(throws: TransportError.self) {
            try await response.body.collect(upTo: 100)
        }
        #expect(stub.calls.count == 1)
    }

    @Test func aBodyThatCannotBeRepeatedIsSentOnce() async throws {
        let stub = TransportStub(TransportStub.answer(503))
        let body = RequestBody.oneShot { ResponseBody([Bytes("once")]) }
        let response = try await retrying(stub).send(.post(url), body: body)
        #expect(response.status == .serviceUnavailable)
        #expect(stub.calls.count == 1)
    }

    @Test func theBodyAndTheFieldsOfEachTryAreTheSame() async throws {
        let stub = TransportStub(TransportStub.answer(503), TransportStub.answer(200))
        let request = try HTTPRequest.post(url, fields: [.accept: "a"])
        _ = try await retrying(stub).send(request, body: .bytes(Bytes("body")))
        #expect(stub.calls.map(\.request) == [request, request])
        #expect(stub.calls.map(\.body.length) == [4, 4])
    }

    /// The tries of the layer below are taken over, each once.
    @Test func retriesOverRetriesListEachTryOnce() async throws {
        let stub = TransportStub(
            TransportStub.answer(503), TransportStub.answer(503), TransportStub.answer(502),
            TransportStub.answer(200))
        let inner = retrying(stub) {
            $0.attempts = 2
            $0.failures = []
        }
        let outer = Retrying(
            inner, budget: nil, clock: clock.clock, random: { 1 })
        let response = try await outer.send(.get(url))
        #expect(response.info.tries.results == ["503", "503", "502", "200"])
        #expect(
            response.info.tries.map(\.pause)
                == [0, 100, 100, 200].map { .milliseconds($0) })
    }
}
