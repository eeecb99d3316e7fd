import Apus
import ApusEvents
import Loopback
import Synchronization
import Testing

/// A stream that is opened again, over a scripted transport and a clock that does not wait.
@Suite(.timeLimit(.minutes(5))) struct EventSourceTests {
    private typealias Script = ScriptedTransport

    private static let reset = TransportError(
        .reset, phase: .body, message: "reset", replay: .responseStarted)
    private static let request = HTTPRequest(
        method: .get, scheme: "https", authority: "a.example", path: "/events")

    /// What a source over a script did.
    private struct Run {
        var events: [ServerSentEvent] = []
        var error: EventSourceError?
        var requests: [HTTPRequest] = []
        var sleeps: [Duration] = []

        /// The `Last-Event-ID` of each request.
        var ids: [String?] {
            requests.map { request in
                HTTPField.Name("Last-Event-ID").flatMap { request.headerFields[$0] }
            }
        }
    }

    private func play(
        _ answers: [Script.Answer], request: HTTPRequest = request, lastEventID: String = "",
        maxLength: Int = 1000, comments: Bool = false,
        policy change: (inout ReconnectionPolicy) -> Void = { _ in }
    ) async -> Run {
        let transport = ScriptedTransport(answers)
        let clock = InstantClock()
        var policy = ReconnectionPolicy()
        policy.maxFailures = 3
        change(&policy)
        let source = EventSource(
            transport, request, policy: policy, lastEventID: lastEventID, maxLength: maxLength,
            reportsComments: comments, clock: clock, random: { 0 })
        var run = Run()
        var iterator = source.makeAsyncIterator()
        do throws(EventSourceError) {
            while let event = try await iterator.next() { run.events.append(event) }
        } catch {
            run.error = error
            // The error is thrown once.
            let next = try? await iterator.next()
            #expect(next == .some(nil))
        }
        run.requests = transport.requests
        run.sleeps = clock.sleeps
        return run
    }

    /// The case eventsource-reconnect.
    @Test func theStreamIsOpenedAgainAfterItsEnd() async {
        let run = await play([
            Script.stream("data: a\n\n"), Script.stream("data: b\n\n"), Script.answer(.noContent),
        ])
        #expect(run.events == [event("a"), event("b")])
        #expect(run.error == nil)
        #expect(run.requests.count == 3)
        #expect(run.sleeps == [.seconds(3), .seconds(3)])
    }

    @Test func theStreamIsOpenedAgainAfterAFailure() async {
        let run = await play([
            Script.failing(Self.reset), Script.stream("data: a\n\ndata: cut", failure: Self.reset),
            Script.stream("data: b\n\n"), Script.answer(.noContent),
        ])
        #expect(run.events == [event("a"), event("b")])
        #expect(run.error == nil)
        #expect(run.sleeps == [.seconds(3), .seconds(3), .seconds(3)])
    }

    @Test func theServersTimeCounts() async {
        let run = await play([
            Script.stream("retry: 250\n\ndata: a\n\n"), Script.stream("data: b\n\n"),
            Script.answer(.noContent),
        ])
        #expect(run.sleeps == [.milliseconds(250), .milliseconds(250)])
    }

    /// The cases format-field-id, format-field-id-2, format-field-id-3.
    @Test func theLastIDIsSentAndKeptOverConnections() async {
        let run = await play([
            Script.stream("id: \u{2026}\ndata: a\n\nid: cut\ndata: b"),
            Script.stream("data: c\n\n"), Script.stream("id\ndata: d\n\n"),
            Script.stream("data: e\n\n"), Script.answer(.noContent),
        ])
        #expect(run.ids == [nil, "\u{2026}", "\u{2026}", nil, nil])
        #expect(
            run.events == [
                event("a", id: "\u{2026}"), event("c", id: "\u{2026}"), event("d"), event("e"),
            ])
    }

    @Test func anIDFromAnEarlierProgramIsSent() async {
        let run = await play([Script.answer(.noContent)], lastEventID: "42")
        #expect(run.ids == ["42"])
    }

    @Test func anIDThatAFieldCannotCarryIsNotSent() async {
        let run = await play([Script.stream("id:  x \ndata: a\n\n"), Script.answer(.noContent)])
        #expect(run.events == [event("a", id: " x ")])
        #expect(run.ids == [nil, nil])
    }

    /// The cases request-accept, request-cache-control.
    @Test func theRequestAsksForAnEventStreamUnlessTheCallerAsksForMore() async {
        var run = await play([Script.answer(.noContent)])
        #expect(run.requests[0].headerFields[.accept] == "text/event-stream")
        #expect(run.requests[0].headerFields[.cacheControl] == "no-cache")
        var request = Self.request
        request.headerFields[.accept] = "text/event-stream, application/json"
        request.headerFields[.cacheControl] = "no-store"
        run = await play([Script.answer(.noContent)], request: request)
        #expect(run.requests[0].headerFields == request.headerFields)
    }

    /// The case request-status-error.
    @Test(arguments: [205, 210, 299, 301, 404, 410, 503])
    func anotherStatusIsFinal(_ status: Int) async {
        let run = await play([
            Script.stream("data: a\n\n"), Script.answer(.init(code: status)),
            Script.stream("data: never\n\n"),
        ])
        #expect(run.events == [event("a")])
        guard case .status(let head) = run.error else {
            Issue.record("\(String(describing: run.error))")
            return
        }
        #expect(head.status.code == status)
    }

    /// The case format-mime-bogus.
    @Test func anotherContentTypeIsFinal() async {
        let run = await play([Script.answer(.ok, type: "text/plain")])
        guard case .contentType("text/plain") = run.error else {
            Issue.record("\(String(describing: run.error))")
            return
        }
        #expect(run.requests.count == 1)
    }

    @Test func failuresInARowAreBounded() async {
        let failing = await play((0..<9).map { _ in Script.failing(Self.reset) })
        guard case .gaveUp(4, let last?) = failing.error else {
            Issue.record("\(String(describing: failing.error))")
            return
        }
        #expect(last.kind == .reset)
        #expect(failing.requests.count == 4)
        #expect(failing.sleeps == [.seconds(3), .seconds(6), .seconds(12)])
    }

    /// Heartbeats alone are no events.
    @Test func streamsWithoutAnEventCountAsFailures() async {
        let run = await play((0..<9).map { _ in Script.stream(": ping\n") }, comments: true)
        #expect(run.events.count == 4)
        guard case .gaveUp(4, nil) = run.error else {
            Issue.record("\(String(describing: run.error))")
            return
        }
    }

    @Test(arguments: [
        TransportError.Kind.shutdown, .cancelled, .invalidRequest(.init(field: "x", reason: "y")),
    ])
    func anErrorThatNoConnectionCanMendIsFinal(_ kind: TransportError.Kind) async {
        let run = await play([
            Script.failing(TransportError(kind, phase: .request, message: "final")),
            Script.stream("data: never\n\n"),
        ])
        #expect(run.error?.transportError?.kind == kind)
        #expect(run.requests.count == 1)
    }

    @Test func anEventBeyondTheBoundIsFinal() async {
        let run = await play([Script.stream("data: 123456789\n\n")], maxLength: 8)
        #expect(run.error?.transportError?.kind == .tooLarge)
        #expect(run.requests.count == 1)
    }

    /// The cases eventsource-close, eventsource-request-cancellation.
    @Test func aCancelledWaitEndsAtOnce() async throws {
        let transport = ScriptedTransport([
            Script.stream("data: a\n\n"), Script.stream("data: never\n\n"),
        ])
        var policy = ReconnectionPolicy()
        policy.initialTime = .seconds(3600)
        policy.maxTime = .seconds(3600)
        let (steps, step) = AsyncStream.makeStream(of: Duration.self)
        let source = EventSource(
            transport, Self.request, policy: policy,
            observe: { if case .waiting(let time, _) = $0 { step.yield(time) } })
        let task = Task { () -> EventSourceError? in
            do throws(EventSourceError) {
                for try await _ in source {}
            } catch {
                return error
            }
            return nil
        }
        for await _ in steps { break }
        task.cancel()
        #expect(await task.value?.transportError?.kind == .cancelled)
        #expect(transport.requests.count == 1)
    }

    @Test func stepsAreReportedInOrder() async throws {
        let transport = ScriptedTransport([
            Script.failing(Self.reset), Script.stream("data: a\n\n"), Script.answer(.noContent),
        ])
        let words = Mutex<[String]>([])
        let source = EventSource(
            transport, Self.request, clock: InstantClock(), random: { 0.5 },
            observe: { step in
                let word =
                    switch step {
                    case .connecting: "connecting"
                    case .open(let head): "open \(head.status.code)"
                    case .waiting(let time, let error): "\(time) \(error?.kind.name ?? "end")"
                    }
                words.withLock { $0.append(word) }
            })
        for try await _ in source {}
        #expect(
            words.withLock { $0 } == [
                "connecting", "3.3 seconds reset", "connecting", "open 200", "3.3 seconds end",
                "connecting",
            ])
    }

    /// Over an engine: each connection ends after three events, until the source is released.
    @Test func anEngineIsConnectedAgain() async throws {
        try await withOrigin { server, engine in
            let request = try HTTPRequest.get("http://127.0.0.1:\(server.port)/sse?n=3")
            var count = 0
            for try await event in EventSource(engine, request, clock: InstantClock()) {
                #expect(event.data.count == 16)
                count += 1
                if count == 10 { break }
            }
            #expect(server.counters.connectionsAccepted == 1)
        }
    }
}
