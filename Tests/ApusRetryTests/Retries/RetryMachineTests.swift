import Apus
import ApusRetry
import Testing

/// What follows each try: outcome in, decision out.
@Suite struct RetryMachineTests {
    private let start = ContinuousClock.now

    private func machine(
        idempotent: Bool = true, replayable: Bool = true, totalTimeout: Duration? = nil,
        _ change: (inout RetryPolicy) -> Void = { _ in }
    ) -> RetryMachine {
        var policy = RetryPolicy()
        change(&policy)
        return RetryMachine(
            policy: policy,
            facts: .init(isIdempotent: idempotent, isReplayable: replayable),
            start: start, totalTimeout: totalTimeout)
    }

    private func error(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase = .head,
        _ replay: TransportError.Replay
    ) -> TransportError {
        TransportError(kind, phase: phase, message: "", replay: replay)
    }

    @Test(arguments: [200, 204, 301, 400, 404, 408, 409, 500, 501])
    func otherStatusesAreDelivered(status: Int) {
        var machine = machine()
        #expect(
            machine.answered(status: status, retryAfter: nil, now: start) { 1 }
                == .deliver(.answered))
    }

    /// A refusal is repeated whatever the method, a failure of a gateway only without harm.
    @Test(arguments: [
        (429, true, true), (503, true, true), (529, true, true), (502, true, true),
        (504, true, true), (429, false, true), (503, false, true), (529, false, true),
        (502, false, false), (504, false, false),
    ])
    func theStatusAndTheMethodDecide(status: Int, isIdempotent: Bool, isRepeated: Bool) {
        var machine = machine(idempotent: isIdempotent)
        #expect(
            machine.answered(status: status, retryAfter: nil, now: start) { 1 }
                == (isRepeated
                    ? .sendAgain(after: .milliseconds(100)) : .deliver(.inDoubt)))
    }

    /// Kind and verdict of an error, for a request that is idempotent and for one that is not.
    @Test(arguments: [
        (TransportError.Kind.reset, TransportError.Replay.notSent, true, true),
        (.reset, .refusedByPeer, true, true), (.reset, .unknown, true, false),
        (.reset, .responseStarted, false, false), (.truncated, .unknown, true, false),
        (.timeout, .unknown, true, false), (.connect(errno: 111), .notSent, true, true),
        (.h2Stream(code: 7), .refusedByPeer, true, true), (.overloaded, .notSent, true, true),
        (.resource(errno: 24), .notSent, true, true),
        (.dns(isTemporary: true), .notSent, true, true),
        (.proxyStatus(503), .notSent, true, true), (.proxyFailed, .notSent, true, true),
        (.dns(isTemporary: false), .notSent, false, false),
        (.proxyStatus(407), .notSent, false, false), (.proxyStatus(403), .notSent, false, false),
        (.tlsVerify(code: 20), .notSent, false, false), (.malformed, .unknown, false, false),
        (.tooLarge, .unknown, false, false),
        (.invalidRequest(InvalidRequest(field: "f", reason: "r")), .notSent, false, false),
        (.producerFailed, .notSent, false, false), (.cancelled, .notSent, false, false),
        (.shutdown, .notSent, false, false),
    ])
    func theKindAndTheVerdictDecide(
        kind: TransportError.Kind, replay: TransportError.Replay, ifIdempotent: Bool, ifNot: Bool
    ) {
        for (isIdempotent, isRepeated) in [(true, ifIdempotent), (false, ifNot)] {
            var machine = machine(idempotent: isIdempotent)
            let decision = machine.failed(error(kind, .head, replay), now: start) { 0 }
            #expect((decision == .sendAgain(after: .zero)) == isRepeated, "\(decision)")
            guard !isRepeated else { continue }
            #expect(decision == .deliver(ifIdempotent ? .inDoubt : .hopeless))
        }
    }

    @Test func theTotalTimeoutOfATryIsTheEnd() {
        var machine = machine()
        #expect(
            machine.failed(error(.timeout, .total, .notSent), now: start) { 0 }
                == .deliver(.hopeless))
    }

    @Test func aBodyThatCannotBeRepeatedIsNotRepeated() {
        var machine = machine(replayable: false)
        #expect(
            machine.failed(error(.reset, .send, .notSent), now: start) { 0 }
                == .deliver(.bodyConsumed))
        #expect(
            machine.answered(status: 503, retryAfter: nil, now: start) { 0 }
                == .deliver(.bodyConsumed))
    }

    @Test func theAttemptsAreAllTriesTogether() {
        var machine = machine { $0.attempts = 3 }
        for _ in 0..<2 {
            guard
                case .sendAgain = machine.answered(
                    status: 503, retryAfter: nil, now: start, jitter: { 0 })
            else {
                Issue.record("there are tries left")
                return
            }
        }
        #expect(
            machine.answered(status: 503, retryAfter: nil, now: start) { 0 }
                == .deliver(.attemptsUsed))
        #expect(machine.triesEnded == 3)
        var single = self.machine { $0.attempts = 1 }
        #expect(
            single.answered(status: 503, retryAfter: nil, now: start) { 0 }
                == .deliver(.attemptsUsed))
    }

    /// Each wait is the random part of its bound, which doubles.
    @Test func theWaitIsAPartOfItsBound() {
        var machine = machine {
            $0.attempts = 6
            $0.maxBackoff = .milliseconds(500)
        }
        let parts = [0, 0.5, 0.25, 1, 1]
        let waits = [0, 100, 100, 500, 500]
        for (part, wait) in zip(parts, waits) {
            #expect(
                machine.answered(status: 503, retryAfter: nil, now: start) { part }
                    == .sendAgain(after: .milliseconds(wait)))
        }
        var whole = self.machine { $0.hasJitter = false }
        #expect(
            whole.answered(status: 503, retryAfter: nil, now: start) { 0 }
                == .sendAgain(after: .milliseconds(100)))
    }

    /// A try never begins before the time that the peer named; too long a wait is none.
    @Test(
        arguments: [
            (0, 100), (50, 100), (100, 100), (2000, 2000), (60_000, 60_000), (60_001, nil),
        ] as [(Int, Int?)])
    func retryAfterIsTheLeastWait(asked: Int, wait: Int?) {
        var machine = machine()
        #expect(
            machine.answered(
                status: 429, retryAfter: .milliseconds(asked), now: start, jitter: { 1 })
                == (wait.map { .sendAgain(after: .milliseconds($0)) }
                    ?? .deliver(.retryAfterTooLong)))
    }

    /// The wait must end before the request's time does, by either limit.
    @Test(arguments: [(899, true), (900, false), (2000, false)])
    func noWaitEndsAfterTheTime(elapsed: Int, isRepeated: Bool) {
        let now = start.advanced(by: .milliseconds(elapsed))
        var machines = [
            machine(totalTimeout: .seconds(1)), machine { $0.maxTime = .seconds(1) },
            machine(totalTimeout: .seconds(5)) { $0.maxTime = .seconds(1) },
            machine(totalTimeout: .seconds(1)) { $0.maxTime = .seconds(5) },
        ]
        for index in machines.indices {
            #expect(
                machines[index].answered(status: 503, retryAfter: nil, now: now) { 1 }
                    == (isRepeated
                        ? .sendAgain(after: .milliseconds(100)) : .deliver(.noTimeLeft)))
        }
        var unlimited = machine(totalTimeout: RequestOptions.unlimited)
        #expect(
            unlimited.answered(status: 503, retryAfter: nil, now: now) { 1 }
                == .sendAgain(after: .milliseconds(100)))
    }

    /// A wait without end and a clock near its end do not trap.
    @Test func absurdWaitsAreDelivered() {
        var machine = machine(totalTimeout: .seconds(1)) {
            $0.maxRetryAfter = .seconds(Int64.max)
        }
        #expect(
            machine.answered(
                status: 429, retryAfter: .seconds(Int64.max), now: start, jitter: { 1 })
                == .deliver(.noTimeLeft))
    }

    /// After a try in doubt a later `notSent` is in doubt too.
    @Test func theVerdictCoversAllTries() {
        var machine = machine()
        _ = machine.failed(error(.reset, .send, .notSent), now: start) { 0 }
        #expect(machine.verdict(of: .notSent) == .notSent)
        _ = machine.failed(error(.reset, .head, .unknown), now: start) { 0 }
        #expect(machine.verdict(of: .notSent) == .unknown)
        #expect(machine.verdict(of: .notReceived) == .unknown)
        #expect(machine.verdict(of: .refusedByPeer) == .unknown)
        #expect(machine.verdict(of: .responseStarted) == .responseStarted)
        var gateway = self.machine()
        _ = gateway.answered(status: 502, retryAfter: nil, now: start) { 0 }
        #expect(gateway.verdict(of: .notSent) == .unknown)
        var refusal = self.machine()
        _ = refusal.answered(status: 503, retryAfter: nil, now: start) { 0 }
        #expect(refusal.verdict(of: .notSent) == .notSent)
    }

    @Test func theFactsOfARequest() throws {
        let request = try HTTPRequest.post("https://a.example/")
        var keyed = request
        keyed.headerFields[HTTPField.Name(known: "idempotency-key")] = "1"
        var options = RequestOptions()
        #expect(!RetryMachine.RequestFacts(request, .empty, options).isIdempotent)
        #expect(RetryMachine.RequestFacts(keyed, .empty, options).isIdempotent)
        options.isIdempotent = true
        #expect(RetryMachine.RequestFacts(request, .empty, options).isIdempotent)
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "PATCH", "QUERY"] {
            let request = HTTPRequest(
                method: try #require(HTTPRequest.Method(method)), scheme: "http", authority: "a",
                path: "/")
            #expect(
                RetryMachine.RequestFacts(request, .empty, RequestOptions()).isIdempotent
                    == (method != "PATCH" && method != "QUERY"))
        }
    }
}
