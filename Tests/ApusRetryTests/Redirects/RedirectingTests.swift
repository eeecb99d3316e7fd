import Apus
import ApusRetry
import Testing

/// The shell of the redirects over a scripted transport.
@Suite(.timeLimit(.minutes(5))) struct RedirectingTests {
    private let url = "https://a.example/x?secret"

    private static func redirect(_ status: Int, _ location: String) -> TransportStub.Step {
        TransportStub.answer(status, [.location: location])
    }

    @Test func aRequestWithoutARedirectIsLeftAlone() async throws {
        let stub = TransportStub(TransportStub.answer(200))
        let response = try await Redirecting(stub).send(.get(url))
        #expect(response.info.tries.isEmpty)
        #expect(response.info.url == nil)
        #expect(stub.calls.map(\.request.path) == ["/x?secret"])
    }

    @Test func theChainIsReportedWithoutQueries() async throws {
        let stub = TransportStub(
            Self.redirect(302, "/y?secret#f"), Self.redirect(301, "https://b.example/z?t=1"),
            TransportStub.answer(200))
        let response = try await Redirecting(stub).send(.get(url))
        #expect(response.status == .ok)
        #expect(response.info.tries.results == ["302", "301", "200"])
        #expect(
            response.info.tries.map(\.url)
                == ["https://a.example/x", "https://a.example/y", "https://b.example/z"])
        #expect(response.info.url == "https://b.example/z?t=1#f")
        #expect(stub.calls.map(\.request.authority) == ["a.example", "a.example", "b.example"])
        #expect(stub.calls.map(\.request.path) == ["/x?secret", "/y?secret", "/z?t=1"])
    }

    @Test func tooManyRedirectsAreAnErrorWithTheirChain() async throws {
        let stub = TransportStub(
            Self.redirect(302, "/1"), Self.redirect(302, "/2"), Self.redirect(302, "/3?secret"))
        let error = await #expect(throws: TransportError.self) {
            try await Redirecting(stub, limit: 2).send(.get(url))
        }
        #expect(error?.kind == .redirect(.tooMany))
        #expect(error?.advice == .givenUp)
        #expect(
            error?.tries.compactMap(\.url)
                == ["https://a.example/x", "https://a.example/1", "https://a.example/2"])
        #expect(stub.calls.count == 3)
        #expect(error?.description.contains("secret") == false)
    }

    @Test(arguments: [
        ("/x?secret", RedirectFault.loop), ("http://a.example/", .insecure),
        ("ftp://a.example/secret", .scheme), ("https://u:secret@a.example/", .userInformation),
        ("https://:secret/", .malformed),
    ])
    func aRedirectThatMustNotBeFollowedIsAnError(
        location: String, fault: RedirectFault
    ) async throws {
        let stub = TransportStub(Self.redirect(302, location))
        let error = await #expect(throws: TransportError.self) {
            try await Redirecting(stub).send(.get(url))
        }
        #expect(error?.kind == .redirect(fault))
        #expect(error?.replay == .responseStarted)
        #expect(error?.tries.results == ["302"])
        #expect(stub.calls.count == 1)
        #expect(error?.description.contains("secret") == false)
    }

    @Test func rulesMayAllowAnInsecureTarget() async throws {
        let stub = TransportStub(
            Self.redirect(302, "http://a.example/"), TransportStub.answer(200))
        var rules = RedirectRules()
        rules.allowsInsecure = true
        let response = try await Redirecting(stub, rules: rules).send(.get(url))
        #expect(response.info.url == "http://a.example/")
    }

    @Test func anErrorWithinTheChainListsIt() async throws {
        let stub = TransportStub(
            Self.redirect(307, "/y"), TransportStub.failure(.reset, .head, .unknown))
        let error = await #expect(throws: TransportError.self) {
            try await Redirecting(stub).send(.get(url))
        }
        #expect(error?.kind == .reset)
        #expect(error?.replay == .unknown)
        #expect(error?.tries.results == ["307", "reset"])
    }

    @Test func anAnswerWithoutATargetIsReturned() async throws {
        let stub = TransportStub(
            TransportStub.answer(302, body: ResponseBody([Bytes("see below")])))
        let response = try await Redirecting(stub).send(.get(url))
        #expect(response.status == .found)
        #expect(String(try await response.body.collect(upTo: 100)) == "see below")
    }

    @Test func aBodyIsSentAgainOrDropped() async throws {
        let request = try HTTPRequest.post(url, fields: [.contentType: "text/plain"])
        for (status, length) in [(307, 4 as UInt64), (308, 4), (301, 0), (302, 0), (303, 0)] {
            let stub = TransportStub(Self.redirect(status, "/y"), TransportStub.answer(200))
            _ = try await Redirecting(stub).send(request, body: .bytes(Bytes("body")))
            #expect(stub.calls.map(\.body.length) == [4, length])
            let isKept = length > 0
            #expect(stub.calls[1].request.method == (isKept ? .post : .get))
            #expect((stub.calls[1].request.headerFields[.contentType] != nil) == isKept)
        }
    }

    /// The caller gets the redirect, and the body is sent once.
    @Test func aBodyThatCannotBeRepeatedIsNotSentAgain() async throws {
        let stub = TransportStub(Self.redirect(308, "/y"))
        let body = RequestBody.oneShot { ResponseBody([Bytes("once")]) }
        let response = try await Redirecting(stub).send(.post(url), body: body)
        #expect(response.status.code == 308)
        #expect(stub.calls.count == 1)
    }

    /// Credentials and the address of the old origin must not follow to another one.
    @Test func anotherOriginGetsNoCredentialsAndItsOwnAddress() async throws {
        let stub = TransportStub(
            Self.redirect(307, "/y"), Self.redirect(307, "https://b.example/"),
            TransportStub.answer(200))
        var options = RequestOptions()
        options.connectTo = .address("127.0.0.1", port: 1)
        options.isolation = IsolationScope("scope")
        _ = try await Redirecting(stub).send(
            .get(url, fields: [.authorization: "Bearer secret"]), options: options)
        #expect(
            stub.calls.map { $0.request.headerFields[.authorization] }
                == ["Bearer secret", "Bearer secret", nil])
        #expect(stub.calls.map { $0.options.connectTo != nil } == [true, true, false])
        #expect(stub.calls.allSatisfy { $0.options.isolation == options.isolation })
    }

    @Test func theTotalTimeoutCoversTheChain() async throws {
        let clock = ManualClock()
        let stub = TransportStub(
            { call in
                clock.advance(by: .seconds(4))
                return Self.redirect(302, "/1")(call)
            },
            { call in
                clock.advance(by: .seconds(7))
                return Self.redirect(302, "/2")(call)
            }, TransportStub.answer(200))
        var options = RequestOptions()
        options.totalTimeout = .seconds(10)
        let response = try await Redirecting(stub, clock: clock.clock).send(
            .get(url), options: options)
        #expect(
            stub.calls.map(\.options.totalTimeout) == [.seconds(10), .seconds(6), .zero])
        #expect(
            response.info.tries.map(\.duration) == [.seconds(4), .seconds(7), .zero])
    }

    @Test func anAnswerThatIsPassedOverIsReleasedFirst() async throws {
        let witness = Witness()
        let stub = TransportStub(
            { _ in
                .success(
                    Response(
                        HTTPResponse(status: .found, headerFields: [.location: "/y"]),
                        body: witness.body()))
            },
            { call in
                TransportStub.answer(witness.isReleased ? 200 : 500)(call)
            })
        #expect(try await Redirecting(stub).send(.get(url)).status == .ok)
    }

    @Test func eachHopIsRetriedOnItsOwn() async throws {
        let clock = ManualClock()
        let stub = TransportStub(
            TransportStub.answer(503), Self.redirect(302, "/y"),
            TransportStub.failure(.reset, .head, .unknown), TransportStub.answer(200))
        let stack = Redirecting(
            Retrying(stub, budget: nil, clock: clock.clock, random: { 1 }), clock: clock.clock)
        let response = try await stack.send(.get(url))
        #expect(response.info.tries.results == ["503", "302", "reset", "200"])
        #expect(
            response.info.tries.map(\.url)
                == ["https://a.example/x", "https://a.example/x"]
                + ["https://a.example/y", "https://a.example/y"])
    }
}
