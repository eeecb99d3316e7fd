import ApusCore
@testable import ApusEngine
import ApusPool
import Testing

/// What the pool is asked for, and the errors of its refusals.
@Suite struct PoolRefusalTests {
    @Test(
        arguments: [
            (.pooled, .pooled), (.pooledThenClosed, .pooled), (.fresh, .fresh),
            (.oneShot, .oneShot),
        ] as [(RequestOptions.Reuse, Reuse)])
    func aLeaseDoesNotSayWhatHappensAfterIt(options: RequestOptions.Reuse, lease: Reuse) {
        #expect(Reuse(options) == lease)
    }

    @Test(
        arguments: [
            (.tooManyWaiters, .overloaded, "maxWaitersPerHost"),
            (.shutDown, .shutdown, "shutting down"),
            (.dialFailed, .timeout, "a dial has just failed"),
        ] as [(LeaseResult.Refusal, TransportError.Kind, String)])
    func eachRefusalHasItsKind(
        why: LeaseResult.Refusal, kind: TransportError.Kind, words: String
    ) throws {
        let error = TransportError(why, try route(1), last: nil)
        #expect(error.kind == kind)
        #expect(error.phase == .pool)
        #expect(error.message.contains(words))
        #expect(error.route == (try route(1)))
        #expect(error.replay == .notSent)
    }

    @Test("a refusal after a failed dial has that dial's error, which says that it is repeated")
    func lastError() throws {
        var last = TransportError(.connect(errno: 111), phase: .connect, message: "refused")
        last.attempts = [.init(address: "127.0.0.1:80", outcome: "Connection refused")]
        last.route = try route(2)
        let error = TransportError(.dialFailed, try route(1), last: last)
        #expect(error.kind == last.kind)
        #expect(error.phase == .connect)
        #expect(error.attempts == last.attempts)
        #expect(error.route == (try route(1)))
        #expect(error.message == "refused; the next dial waits for pool.dialBackoff")
        #expect(last.message == "refused")
        // Others are refused for their own reason.
        #expect(TransportError(.shutDown, try route(1), last: last).kind == .shutdown)
    }

    @Test func aDialThatIsHeldBackIsTheErrorAsItIs() throws {
        let last = TransportError(.timeout, phase: .tls, message: "late")
        let held = TransportError(.proxyFailed, phase: .proxy, message: "the proxy is failing")
        let error = TransportError(.dialFailed, try route(1), last: last, held: held)
        #expect(error.kind == .proxyFailed && error.message == held.message)
        #expect(error.route == (try route(1)))
        #expect(TransportError(.shutDown, try route(1), last: last, held: held).kind == .shutdown)
    }

    @Test func theEndsThatAPeerBringsAboutAreCuts() {
        let cuts = CloseReason.allCases.filter(\.isCut)
        #expect(cuts == [.peerClosed, .transportError])
    }

    @Test func aConnectionThatEndedAtOnceIsReportedAsReset() {
        let error = TransportError.ofNoUse()
        #expect(error.kind == .reset)
        #expect(error.phase == .connect)
        #expect(error.replay == .notSent)
    }

    @Test(
        arguments: [
            (.connectionsPerEngine, "pool.maxConnections"),
            (.connectionsPerOrigin, "pool.maxConnectionsPerOrigin"),
            (.connectionsPerProxy, "pool.maxConnectionsPerProxy"),
            (.dial, nil), (.connectionsPerHost, nil), (.dialsPerHost, nil), (.backoff, nil),
            (.sharedConnectionsPerHost, nil),
        ] as [(WaitCause, String?)])
    func aWaitForACapNamesItsOption(_ cause: WaitCause, _ option: String?) {
        #expect(cause.cap == option)
    }
}
