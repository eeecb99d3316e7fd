import ApusCore
import ApusHTTP2
import Testing

@Suite struct HTTP2EventTests {
    @Test(arguments: [
        (StreamFailure.notSent, TransportError.Replay.notSent), (.refused, .refusedByPeer),
        (.aboveLastStreamID(goAwayCode: 0), .refusedByPeer), (.reset(code: 8), .unknown),
        (.malformed(.bodyLength), .unknown), (.tooLarge(.fields(most: 1)), .unknown),
        (.connectionLost, .unknown),
    ])
    func verdictsOnReplayNeedProof(failure: StreamFailure, replay: TransportError.Replay) {
        #expect(failure.replay(responseStarted: false) == replay)
        #expect(failure.replay(responseStarted: true) == .responseStarted)
    }

    @Test func aPeerThatRequiresHTTP1HasNotActed() {
        let failure = StreamFailure.reset(code: HTTP2ErrorCode.http11Required)
        #expect(failure.replay(responseStarted: false) == .refusedByPeer)
    }
}
