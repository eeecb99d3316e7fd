import Apus
import Loopback
import Testing

/// Row 40: `Expect: 100-continue`, and what a peer may make of it.
@Suite(.timeLimit(.minutes(5))) struct HTTP1ContinueTests {
    private let body = RequestBody.bytes(Bytes("hello"))
    /// A guard against hanging, not a measure of time.
    private let patience = Duration.seconds(120)
    private let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    /// A tuning with which nothing goes out because of the time.
    private static var patient: EngineTuning {
        var tuning = EngineTuning.executor
        tuning.http1.continueTimeout = .seconds(600)
        return tuning
    }

    private func expectingRequest(_ stand: FaultStand) throws -> HTTPRequest {
        var request = try stand.request(.post)
        request.headerFields[.expect] = "100-continue"
        return request
    }

    @Test("row 40: the body waits for the 100")
    func row40Continue() async throws {
        let script: [ScriptedPeer.Step] =
            [
                .expectHead, .sendText("HTTP/1.1 103 Hints\r\n\r\n"), .signal("asked"),
                .waitForSignal("go"), .sendText("HTTP/1.1 100 Continue\r\n\r\n"), .expectBytes(5),
                .sendText(ok),
            ] + FaultStand.goodExchange + [.readUntilEnd]
        try await withFaultStand([script], tuning: Self.patient) { stand in
            let request = try expectingRequest(stand)
            let task = Task { try await stand.engine.send(request, body: body) }
            #expect(await stand.peer.signal("asked", timeout: patience))
            #expect(stand.peer.transcript(0).text.hasSuffix("\r\n\r\n"))
            #expect(stand.peer.transcript(0).text.contains("Expect: 100-continue"))
            stand.peer.release("go")
            let response = try await task.value
            #expect(String(try await response.body.collect(upTo: 100)) == "ok")
            #expect(response.informational.map(\.status.code) == [103, 100])
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    @Test("row 40: silence is waited for no longer than http1.continueTimeout")
    func row40Silence() async throws {
        let script: [ScriptedPeer.Step] =
            [.expectHead, .expectBytes(5), .sendText(ok)] + FaultStand.goodExchange
            + [.readUntilEnd]
        var tuning = EngineTuning.executor
        tuning.http1.continueTimeout = .milliseconds(20)
        try await withFaultStand([script], tuning: tuning) { stand in
            let response = try await stand.engine.send(expectingRequest(stand), body: body)
            #expect(String(try await response.body.collect(upTo: 100)) == "ok")
            try await stand.expectGoodExchange(onConnection: 0)
        }
    }

    @Test("row 40: after a final answer the body is never sent", arguments: [200, 302, 401, 413])
    func row40Final(_ status: Int) async throws {
        let script: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 \(status) Said\r\nContent-Length: 2\r\n\r\nno"),
            .readUntilEnd,
        ]
        try await withFaultStand([script], tuning: Self.patient) { stand in
            let response = try await stand.engine.send(expectingRequest(stand), body: body)
            #expect(response.status.code == status)
            #expect(String(try await response.body.collect(upTo: 100)) == "no")
            #expect(response.info.bytesSent == 0)
            #expect(stand.closes.all == [.requestUnfinished])
            #expect(await stand.peer.connection(0, timeout: patience) { $0.isClosed })
            #expect(stand.peer.transcript(0).text.hasSuffix("\r\n\r\n"))
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test(
        "row 40: a 417 is answered once by the request without Expect", arguments: [true, false],
        [0, 9])
    func row40Refused(isReplayable: Bool, length: Int) async throws {
        // Nothing of the refusal's body comes: the engine does not wait for it.
        let refusal: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 417 No\r\nContent-Length: \(length)\r\n\r\n"),
            .readUntilEnd,
        ]
        let second: [ScriptedPeer.Step] =
            [.expectHead, .expectBytes(5), .sendText(ok)] + FaultStand.goodExchange
            + [.readUntilEnd]
        try await withFaultStand([refusal, second], tuning: Self.patient) { stand in
            let pieces = [Bytes("hello")]
            // A body that cannot be made again serves too: its producer has not been started.
            let content = isReplayable ? body : .oneShot(length: 5) { Pieces(pieces) }
            let response = try await stand.engine.send(expectingRequest(stand), body: content)
            #expect(String(try await response.body.collect(upTo: 100)) == "ok")
            #expect(stand.peer.transcript(0).text.hasSuffix("\r\n\r\n"))
            #expect(!stand.peer.transcript(1).text.contains("Expect"))
            // One story with one end, and the second try is a replay like any other.
            let chronicle = stand.closes.chronicle
            try await eventually("the end is reported") {
                chronicle.words(ofExchange: 1).last == "completed"
            }
            #expect(
                chronicle.words(ofExchange: 1) == [
                    "begun POST", "queued for a dial", "started", "status 417",
                    "replayed: invalidRequest", "queued for a dial", "started", "status 200",
                    "completed",
                ])
            #expect(response.info.replays == 1)
            #expect(stand.engine.snapshot().counters.replays == 1)
            try await eventually("the first connection is gone") {
                stand.engine.snapshot().connections == 1
            }
            try await stand.expectGoodExchange(onConnection: 1)
        }
    }

    @Test("row 40: a 417 to a request without Expect is an answer")
    func row40RefusedTwice() async throws {
        let refusal: [ScriptedPeer.Step] = [
            .expectHead, .sendText("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n"), .readUntilEnd,
        ]
        try await withFaultStand([refusal, refusal], tuning: Self.patient) { stand in
            let response = try await stand.engine.send(expectingRequest(stand), body: body)
            #expect(response.status.code == 417)
            #expect(stand.peer.connectionCount == 2)
        }
    }

    @Test("row 40: the end of the exchange ends the waiting")
    func row40Cancelled() async throws {
        try await withFaultStand([[.expectHead, .readUntilEnd]], tuning: Self.patient) { stand in
            let request = try expectingRequest(stand)
            let task = Task { try await stand.engine.send(request, body: body) }
            #expect(await stand.peer.connection(0, timeout: patience) { $0.steps == 1 })
            task.cancel()
            let error = await transportError { _ = try await task.value }
            #expect(error?.kind == .cancelled)
            #expect(await stand.peer.connection(0, timeout: patience) { $0.isClosed })
            #expect(stand.peer.transcript(0).text.hasSuffix("\r\n\r\n"))
        }
    }

    @Test func anExpectationWithoutABodyIsNotSent() async throws {
        try await withFaultStand([]) { stand in
            let response = try await stand.engine.send(expectingRequest(stand))
            #expect(response.status == .ok)
            #expect(!stand.peer.transcript(0).text.contains("Expect"))
        }
    }

    @Test(arguments: [ProtocolVariant.http1, .http1OverTLS], ["", "?silent=1"])
    func theOriginHasTheWholeBody(_ variant: ProtocolVariant, _ query: String) async throws {
        var tuning = query.isEmpty ? Self.patient : .executor
        if !query.isEmpty { tuning.http1.continueTimeout = .milliseconds(20) }
        try await withStand(variant, tuning: tuning) { stand in
            for size in [1, 100_000, 1 << 20] {
                var request = try HTTPRequest.post(stand.url("/continue\(query)"))
                request.headerFields[.expect] = "100-continue"
                let response = try await stand.client.send(
                    request, body: .bytes(Bytes(BodyPattern.bytes(size))))
                #expect(String(try await response.body.collect(upTo: 100)) == "\(size)\n")
                #expect(response.informational.map(\.status.code) == (query.isEmpty ? [100] : []))
            }
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }
}
