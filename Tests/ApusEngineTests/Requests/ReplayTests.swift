import ApusConnection
import ApusCore
@testable import ApusEngine
import HTTPTypes
import Testing

/// Which failures prove that sending a request again does no harm.
@Suite struct ReplayTests {
    /// A failure, and the connection that it happened on.
    struct Failure: Sendable, CustomTestStringConvertible {
        var kind = TransportError.Kind.reset
        var replay = TransportError.Replay.unknown
        var wasInPool = true
        var isSilent = true
        var isLost = false
        var bytesReceived: UInt64 = 0

        var testDescription: String { "\(self)" }
        var error: TransportError {
            var error = TransportError(kind, phase: .head, message: "failed", replay: replay)
            error.bytesReceived = bytesReceived
            return error
        }
    }

    private func mayReplay(
        _ failure: Failure, _ method: HTTPRequest.Method = .get
    ) throws -> Bool {
        try request(method).mayReplay(
            after: failure.error, wasInPool: failure.wasInPool, isSilent: failure.isSilent,
            isLost: failure.isLost)
    }

    @Test(arguments: [
        Failure(replay: .notSent), Failure(replay: .notReceived), Failure(replay: .refusedByPeer),
        Failure(kind: .truncated, replay: .notReceived),
        Failure(kind: .truncated, replay: .notSent),
        Failure(kind: .h2Stream(code: 7), replay: .refusedByPeer),
        Failure(kind: .h2GoAway(code: 0, lastStreamID: 0), replay: .refusedByPeer),
        Failure(kind: .timeout, replay: .notSent, isLost: true),
        Failure(replay: .notSent, wasInPool: false, isSilent: false),
    ])
    func aRequestThatThePeerHasNotActedOnIsSentAgain(_ failure: Failure) throws {
        #expect(try mayReplay(failure))
        #expect(try mayReplay(failure, .post))
    }

    @Test(arguments: [
        // A connection that was made for the request.
        Failure(replay: .notReceived, wasInPool: false),
        Failure(replay: .responseStarted), Failure(kind: .timeout, replay: .notSent),
        Failure(kind: .cancelled, replay: .notSent), Failure(kind: .malformed, replay: .notSent),
        Failure(kind: .tooLarge, replay: .notSent), Failure(kind: .shutdown, replay: .notSent),
        // ENHANCE_YOUR_CALM.
        Failure(kind: .h2Stream(code: 11), replay: .refusedByPeer),
        Failure(kind: .h2GoAway(code: 11, lastStreamID: 0), replay: .notSent),
        Failure(wasInPool: false), Failure(isSilent: false), Failure(bytesReceived: 1),
    ])
    func anyOtherFailureEndsTheRequest(_ failure: Failure) throws {
        #expect(try !mayReplay(failure))
    }

    @Test("an unclear failure of a connection that was in the pool needs an idempotent request")
    func idempotence() throws {
        #expect(try mayReplay(Failure()))
        #expect(try mayReplay(Failure(kind: .timeout, isLost: true)))
        #expect(try !mayReplay(Failure(), .post))
    }

    @Test func aRefusedExpectationNamesItsRoute() throws {
        let error = TransportError.expectationRefused(by: try route(1))
        #expect(error.replay == .refusedByPeer)
        #expect(error.route == (try route(1)))
        #expect(error.invalidRequest?.field == "expect")
    }

    @Test(
        arguments: [
            (.h2Stream(code: 13), .unknown, true), (.h2Stream(code: 13), .responseStarted, false),
            (.h2GoAway(code: 13, lastStreamID: 0), .notSent, true),
            (.h2Stream(code: 7), .refusedByPeer, false), (.reset, .notSent, false),
        ] as [(TransportError.Kind, TransportError.Replay, Bool)])
    func onlyHTTP11RequiredDemandsHTTP11(
        kind: TransportError.Kind, replay: TransportError.Replay, demands: Bool
    ) {
        let error = TransportError(kind, phase: .head, message: "failed", replay: replay)
        #expect(error.demandsHTTP1 == demands)
    }
}
