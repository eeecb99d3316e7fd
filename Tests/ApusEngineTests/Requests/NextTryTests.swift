import ApusConnection
import ApusCore
@testable import ApusEngine
import Testing

/// What changes from one try of a request to the next.
@Suite struct NextTryTests {
    private func nextTry(_ options: RequestOptions = RequestOptions()) throws -> NextTry {
        let request = try request(options: options)
        return NextTry(
            request, over: request.route, amendments: Amendments(), started: at(1), story: nil)
    }

    private func error(_ replay: TransportError.Replay) -> TransportError {
        TransportError(.reset, phase: .head, message: "lost", replay: replay)
    }

    @Test(
        "what a peer may have done with an earlier try stays unknown",
        arguments: [
            (.notSent, .unknown), (.notReceived, .unknown), (.refusedByPeer, .unknown),
            (.unknown, .unknown),
            (.responseStarted, .responseStarted),
        ] as [(TransportError.Replay, TransportError.Replay)])
    func failure(last: TransportError.Replay, reported: TransportError.Replay) throws {
        let next = try nextTry()
        #expect(next.failure(error(last)).replay == last)
        next.isRepeated(after: error(.notSent))
        next.isRepeated(after: error(.refusedByPeer))
        next.isRepeated(after: error(.notReceived))
        #expect(next.failure(error(last)).replay == last)
        next.isRepeated(after: error(.unknown))
        next.isRepeated(after: error(.notSent))
        #expect(next.failure(error(last)).replay == reported)
        #expect(next.replays == 5)
    }

    @Test func theFirstTryIsAsTheRequestSays() throws {
        var options = RequestOptions()
        options.reuse = .oneShot
        let next = try nextTry(options)
        #expect(next.reuse == .oneShot)
        #expect(next.waitsSince == at(1))
        #expect(next.replays == 0)
        #expect(!next.mayHaveBeenActedOn)
    }

    @Test(
        arguments: [
            (.pooled, .fresh), (.fresh, .fresh), (.oneShot, .oneShot),
            (.pooledThenClosed, .oneShot),
        ] as [(RequestOptions.Reuse, RequestOptions.Reuse)])
    func aTryOnItsOwnConnectionClosesItOrKeepsItAsBefore(
        reuse: RequestOptions.Reuse, dialled: RequestOptions.Reuse
    ) {
        #expect(reuse.dialled == dialled)
    }
}
