import Apus
import Loopback

// RST_STREAM and GOAWAY with each code, before, during and after an answer (RFC 9113, 6.4, 6.8).

/// The frames that the rows are made of.
private typealias Frames = HTTP2Frames

extension HTTP2Case {
    /// Every code that RFC 9113, section 7, knows, and one that it does not.
    private static let codes: [UInt32] = Array(0...13) + [0xFFFF_FFFF]

    static let resets: [HTTP2Case] =
        codes.map(resetBeforeTheHead) + codes.map(resetAmidTheBody) + codes.map(resetAfterTheEnd)
        + [
            .stream(
                "RST twice", Frames.reset(1, 8) + Frames.reset(1, 8), "h2Stream(8) unknown"),
            .stream(
                "RST after an informational answer", Frames.head(1, 103) + Frames.reset(1, 7),
                "h2Stream(7) responseStarted"),
        ]

    private static func resetBeforeTheHead(_ code: UInt32) -> HTTP2Case {
        let name = "RST \(code) before the head"
        let bytes = Frames.reset(1, code)
        return switch code {
        case 0: .stream(name, bytes, "truncated unknown")
        // Refused: sent again on the same connection, which is as good as before.
        case 7: .stream(name, bytes, "200 ok", replays: 1)
        case 13: .stream(name, bytes, "h2Stream(13) refusedByPeer", fate: .drained)
        default: .stream(name, bytes, "h2Stream(\(code)) unknown")
        }
    }

    private static func resetAmidTheBody(_ code: UInt32) -> HTTP2Case {
        let kind = code == 0 ? "truncated" : "h2Stream(\(code))"
        return .stream(
            "RST \(code) amid the body",
            Frames.head(1) + Frames.data(1, [0x78]) + Frames.reset(1, code),
            "200 x, then \(kind) responseStarted", fate: code == 13 ? .drained : .kept)
    }

    private static func resetAfterTheEnd(_ code: UInt32) -> HTTP2Case {
        .stream("RST \(code) after the end", Frames.answer(1) + Frames.reset(1, code), "200 ok")
    }

    static let goAways: [HTTP2Case] =
        codes.map(goAwayBetween) + codes.map(goAwayThenEnd)
        + [
            HTTP2Case(
                testDescription: "GOAWAY above both",
                bytes: Frames.goAway(3) + Frames.answer(1) + Frames.answer(3), first: "200 ok",
                second: "200 ok", fate: .drained),
            HTTP2Case(
                testDescription: "GOAWAY far above both, then an end in good order",
                bytes: Frames.goAway(.max) + Frames.answer(1) + Frames.goAway(3)
                    + Frames.answer(3), first: "200 ok", second: "200 ok", fate: .drained),
            HTTP2Case(
                testDescription: "GOAWAY in two steps, the second below stream 3",
                bytes: Frames.goAway(.max) + Frames.goAway(1) + Frames.answer(1), first: "200 ok",
                second: "200 ok", fate: .drained, replays: 1),
            HTTP2Case(
                testDescription: "GOAWAY in three steps",
                bytes: Frames.goAway(.max) + Frames.goAway(1) + Frames.goAway(0), first: "200 ok",
                second: "200 ok", fate: .drained, replays: 2),
            HTTP2Case(
                testDescription: "GOAWAY below both", bytes: Frames.goAway(0), first: "200 ok",
                second: "200 ok", fate: .drained, replays: 2),
            HTTP2Case(
                testDescription: "GOAWAY that raises the last stream",
                bytes: Frames.goAway(1) + Frames.goAway(3), first: "malformed unknown",
                second: "200 ok", fate: .ended(.protocolViolation, goAway: 1), replays: 1),
            HTTP2Case(
                testDescription: "GOAWAY amid a body, which ends all the same",
                bytes: Frames.head(1) + Frames.goAway(3) + Frames.data(1, [0x78], end: true)
                    + Frames.answer(3), first: "200 x", second: "200 ok", fate: .drained),
        ]

    /// The first is answered, the second was never processed.
    private static func goAwayBetween(_ code: UInt32) -> HTTP2Case {
        let debug = Array("bye\n".utf8)
        let payload = Frames.word(1) + Frames.word(code) + debug
        let second =
            switch code {
            // The same again at once is what the peer does not want.
            case 11: "h2GoAway(11, 1, bye?) refusedByPeer"
            // Nothing but HTTP/2 is allowed here.
            case 13: "h2GoAway(13, 1, bye?) refusedByPeer"
            default: "200 ok"
            }
        return HTTP2Case(
            testDescription: "GOAWAY \(code) between the two",
            bytes: Frames.frame(Frames.goAwayType, payload) + Frames.answer(1), first: "200 ok",
            second: second, fate: .drained, replays: second == "200 ok" ? 1 : 0)
    }

    /// Both might have been processed, and the connection ends without answers.
    private static func goAwayThenEnd(_ code: UInt32) -> HTTP2Case {
        let outcome = code == 0 ? "truncated unknown" : "h2GoAway(\(code), 3) unknown"
        return HTTP2Case(
            testDescription: "GOAWAY \(code) and the end", bytes: Frames.goAway(3, code),
            ending: .halfClose, first: outcome, second: outcome,
            fate: .ended(.goAway, goAway: nil))
    }
}
