import ApusCore
import Testing

/// The advice for every kind of error, with every verdict.
@Suite struct TransportErrorAdviceTests {
    /// One kind in one phase, and the advice where sending again can do no harm.
    struct Row: Sendable, CustomTestStringConvertible {
        let kind: TransportError.Kind
        let phase: TransportError.Phase
        let hop: TransportError.Hop
        let advice: TransportError.Advice

        var testDescription: String { "\(kind) in \(phase) at \(hop)" }

        init(
            _ kind: TransportError.Kind, _ phase: TransportError.Phase,
            _ hop: TransportError.Hop, _ advice: TransportError.Advice
        ) {
            self.kind = kind
            self.phase = phase
            self.hop = hop
            self.advice = advice
        }

        init(
            _ kind: TransportError.Kind, _ phase: TransportError.Phase,
            _ advice: TransportError.Advice
        ) {
            self.init(kind, phase, .origin, advice)
        }

        func error(_ replay: TransportError.Replay) -> TransportError {
            var error = TransportError(kind, phase: phase, message: "m", replay: replay)
            error.hop = hop
            return error
        }
    }

    private static let invalid = TransportError.Kind.invalidRequest(
        InvalidRequest(field: "host", reason: "is missing"))

    /// Kinds whose advice is the same whatever the verdict.
    static let fixed: [Row] = [
        Row(invalid, .request, .callerAtFault),
        Row(invalid, .body, .callerAtFault),
        Row(.producerFailed, .send, .callerAtFault),
        Row(.tooLarge, .request, .callerAtFault),
        Row(.cancelled, .pool, .givenUp),
        Row(.cancelled, .body, .givenUp),
        Row(.shutdown, .pool, .givenUp),
        Row(.redirect(.loop), .head, .givenUp),
        Row(.timeout, .total, .givenUp),
    ]

    static let rows: [Row] = [
        Row(.dns(isTemporary: true), .dns, .sendAgainHere),
        Row(.dns(isTemporary: false), .dns, .sendAgainElsewhere),
        Row(.dns(isTemporary: true), .dns, .proxy, .sendAgainElsewhere),
        Row(.connect(errno: 111), .connect, .sendAgainElsewhere),
        Row(.connect(errno: 111), .connect, .proxy, .sendAgainElsewhere),
        Row(.timeout, .pool, .sendAgainElsewhere),
        Row(.timeout, .dns, .sendAgainHere),
        Row(.timeout, .connect, .sendAgainElsewhere),
        Row(.timeout, .proxy, .proxy, .sendAgainElsewhere),
        Row(.timeout, .tls, .sendAgainElsewhere),
        Row(.timeout, .send, .sendAgainHere),
        Row(.timeout, .head, .sendAgainHere),
        Row(.tlsVerify(code: 19), .tls, .sendAgainElsewhere),
        Row(.tlsHandshake, .tls, .sendAgainElsewhere),
        Row(.tlsAlert, .head, .sendAgainElsewhere),
        Row(.proxyStatus(407), .proxy, .proxy, .sendAgainElsewhere),
        Row(.proxyReply(5), .proxy, .proxy, .sendAgainElsewhere),
        Row(.proxyFailed, .proxy, .proxy, .sendAgainElsewhere),
        Row(.reset, .send, .sendAgainHere),
        Row(.reset, .head, .sendAgainHere),
        Row(.reset, .head, .proxy, .sendAgainElsewhere),
        Row(.reset, .tls, .sendAgainElsewhere),
        Row(.truncated, .head, .sendAgainHere),
        Row(.truncated, .tls, .sendAgainElsewhere),
        Row(.malformed, .send, .sendAgainElsewhere),
        Row(.malformed, .head, .sendAgainElsewhere),
        Row(.tooLarge, .proxy, .proxy, .sendAgainElsewhere),
        // REFUSED_STREAM, INTERNAL_ERROR, HTTP_1_1_REQUIRED.
        Row(.h2Stream(code: 7), .head, .sendAgainHere),
        Row(.h2Stream(code: 2), .head, .sendAgainHere),
        Row(.h2Stream(code: 13), .head, .sendAgainHere),
        // ENHANCE_YOUR_CALM, INADEQUATE_SECURITY.
        Row(.h2Stream(code: 11), .head, .sendAgainElsewhere),
        Row(.h2GoAway(code: 0, lastStreamID: 1), .head, .sendAgainHere),
        Row(.h2GoAway(code: 11, lastStreamID: 1), .head, .sendAgainElsewhere),
        Row(.h2GoAway(code: 12, lastStreamID: 0), .head, .sendAgainElsewhere),
        Row(.h2Abuse, .head, .sendAgainElsewhere),
        Row(.resource(errno: 24), .connect, .sendAgainHere),
        Row(.resource(errno: 24), .connect, .proxy, .sendAgainHere),
        Row(.overloaded, .pool, .sendAgainElsewhere),
    ]

    @Test(arguments: rows)
    func theVerdictDecidesWhetherAndTheRestWhere(row: Row) {
        for replay in [TransportError.Replay.notSent, .notReceived, .refusedByPeer] {
            #expect(row.error(replay).advice == row.advice)
            #expect(row.error(replay).advice(forIdempotent: true) == row.advice)
        }
        #expect(row.error(.unknown).advice == .givenUp)
        #expect(row.error(.unknown).advice(forIdempotent: true) == row.advice)
        #expect(row.error(.responseStarted).advice == .givenUp)
        #expect(row.error(.responseStarted).advice(forIdempotent: true) == .givenUp)
    }

    @Test(arguments: fixed)
    func whatTheCallerDidIsNeverSentAgain(row: Row) {
        for replay in [TransportError.Replay.notSent, .refusedByPeer, .unknown, .responseStarted] {
            #expect(row.error(replay).advice == row.advice)
            #expect(row.error(replay).advice(forIdempotent: true) == row.advice)
        }
    }

    /// A kind that is added later is thought through too.
    @Test func theTableHasEveryKind() {
        let named = Set((Self.rows + Self.fixed).map(\.kind.name))
        #expect(
            named == [
                "invalidRequest", "producer", "dns", "connect", "timeout", "tlsVerify",
                "tlsHandshake", "tlsAlert", "proxy", "reset", "truncated", "malformed", "tooLarge",
                "h2Stream", "h2GoAway", "h2Abuse", "resource", "cancelled", "shutdown",
                "overloaded", "redirect",
            ])
    }
}
