import Apus
import Loopback

// What breaks the connection's rules, and what only looks like it (RFC 9113, sections 4 to 6).

/// The frames that the rows are made of.
private typealias Frames = HTTP2Frames

extension HTTP2Case {
    private static let none = [UInt8](repeating: 0, count: 8)

    static let offences: [HTTP2Case] =
        frameOffences + settingsOffences + [
            HTTP2Case(
                testDescription: "row 76: FIN", bytes: [], ending: .halfClose,
                first: "truncated unknown", second: "truncated unknown",
                fate: .ended(.peerClosed, goAway: nil)),
            HTTP2Case(
                testDescription: "row 76: FIN amid a body",
                bytes: Frames.head(1) + Frames.data(1, [0x78]), ending: .halfClose,
                first: "200 x, then truncated responseStarted", second: "truncated unknown",
                fate: .ended(.peerClosed, goAway: nil)),
            HTTP2Case(
                testDescription: "row 76: HTTP/1", settings: nil,
                bytes: Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8),
                first: "malformed refusedByPeer", second: "malformed refusedByPeer",
                fate: .ended(.protocolViolation, goAway: 1)),
            HTTP2Case(
                testDescription: "row 76: anything but SETTINGS first", settings: nil,
                bytes: Frames.answer(1), first: "malformed unknown", second: "malformed unknown",
                fate: .ended(.protocolViolation, goAway: 1)),
        ]

    private static let frameOffences: [HTTP2Case] = [
        .offence("DATA on stream 0", Frames.data(0, [1]), code: 1),
        .offence("DATA on an idle stream", Frames.data(9, [1]), code: 1),
        .offence("DATA on an even stream", Frames.data(2, [1]), code: 1),
        .offence("DATA before the head", Frames.data(1, [1]), code: 1),
        .offence("HEADERS on stream 0", Frames.head(0), code: 1),
        .offence("HEADERS on an idle stream", Frames.head(9), code: 1),
        .offence("HEADERS on an even stream", Frames.head(2), code: 1),
        .offence(
            "HEADERS cut by DATA", Frames.frame(1, stream: 1, [0x88]) + Frames.data(3), code: 1),
        .offence("a block that is no HPACK", Frames.frame(1, flags: 4, stream: 1, [0xFF]), code: 9),
        .offence(
            "a table size above ours",
            Frames.frame(1, flags: 4, stream: 1, [0x3F, 0xE2, 0x1F, 0x88]), code: 9),
        .offence("RST on stream 0", Frames.reset(0, 8), code: 1),
        .offence("RST on an idle stream", Frames.reset(9, 8), code: 1),
        .offence("RST of three bytes", Frames.frame(3, stream: 1, [0, 0, 0]), code: 6),
        .offence("PRIORITY of four bytes", Frames.frame(2, stream: 1, [0, 0, 0, 0]), code: 6),
        .offence("PRIORITY on stream 0", Frames.frame(2, [0, 0, 0, 0, 1]), code: 1),
        .offence("PING of seven bytes", Frames.frame(6, Array(none.dropLast())), code: 6),
        .offence("PING on a stream", Frames.frame(6, stream: 1, none), code: 1),
        .offence("GOAWAY of four bytes", Frames.frame(7, [0, 0, 0, 0]), code: 6),
        .offence("GOAWAY on a stream", Frames.frame(7, stream: 1, none), code: 1),
        .offence("WINDOW_UPDATE of three bytes", Frames.frame(8, [0, 0, 0]), code: 6),
        .offence("WINDOW_UPDATE 0 on the connection", Frames.windowUpdate(0, 0), code: 1),
        // RFC 9113, section 6.9, asks for the stream alone; nghttp2 takes it for worse.
        .offence("WINDOW_UPDATE 0 on a stream", Frames.windowUpdate(1, 0), code: 1),
        .offence("WINDOW_UPDATE on an idle stream", Frames.windowUpdate(9, 1), code: 1),
        .offence(
            "a connection window that overflows", Frames.windowUpdate(0, 0x7FFF_FFFF), code: 3),
        .offence("CONTINUATION out of nowhere", Frames.frame(9, flags: 4, stream: 1), code: 1),
        .offence(
            "a frame above MAX_FRAME_SIZE", Frames.data(1, [UInt8](repeating: 0, count: 16_385)),
            code: 6),
        HTTP2Case(
            testDescription: "padding beyond the frame",
            bytes: Frames.head(1) + Frames.frame(0, flags: 8, stream: 1, [9, 1]),
            first: "200 , then malformed responseStarted", second: "malformed unknown",
            fate: .ended(.protocolViolation, goAway: 1)),
    ]

    private static let settingsOffences: [HTTP2Case] = [
        .offence("SETTINGS of five bytes", Frames.frame(4, [0, 0, 0, 0, 0]), code: 6),
        .offence("SETTINGS on a stream", Frames.frame(4, stream: 1), code: 1),
        .offence(
            "an acknowledgement with a payload", Frames.frame(4, flags: 1, [0, 1, 0, 0, 0, 0]),
            code: 6),
        .offence(
            "an acknowledgement too many",
            Frames.frame(4, flags: 1) + Frames.frame(4, flags: 1), code: 1),
        .offence("INITIAL_WINDOW_SIZE 2^31", Frames.settings([(4, 0x8000_0000)]), code: 3),
        .offence("MAX_FRAME_SIZE 0", Frames.settings([(5, 0)]), code: 1),
        .offence("MAX_FRAME_SIZE 2^24", Frames.settings([(5, 1 << 24)]), code: 1),
        .offence("ENABLE_PUSH 1 from a server", Frames.settings([(2, 1)]), code: 1),
        .offence("ENABLE_PUSH 2", Frames.settings([(2, 2)]), code: 1),
        .offence(
            "33 settings in one frame", Frames.settings((0..<33).map { (UInt16(0x1000 + $0), 1) }),
            code: 11, "malformed unknown"),
        .offence(
            "PUSH_PROMISE",
            Frames.frame(4, flags: 1) + Frames.frame(5, flags: 4, stream: 1, [0, 0, 0, 2, 0x82]),
            code: 1),
    ]

    static let harmless: [HTTP2Case] = [
        .stream(
            "an unknown frame, PRIORITY and a PING in between",
            Frames.head(1) + Frames.frame(0xEE, stream: 9, [1, 2])
                + Frames.frame(2, stream: 1, [0, 0, 0, 0, 5]) + Frames.ping()
                + Frames.data(1, [0x78], end: true), "200 x"),
        .stream("an unknown setting", Frames.settings([(0x99, 7)]) + Frames.answer(1), "200 ok"),
        .stream("an empty SETTINGS", Frames.settings() + Frames.answer(1), "200 ok"),
        .stream(
            "no HPACK table at all", Frames.settings([(1, 0)]) + Frames.answer(1), "200 ok"),
        .stream(
            "a window of zero for what has left already",
            Frames.settings([(4, 0)]) + Frames.answer(1) + Frames.settings([(4, 65_535)]),
            "200 ok"),
        .stream(
            "MAX_CONCURRENT_STREAMS 0 and back",
            Frames.maxStreams(0) + Frames.answer(1) + Frames.maxStreams(100), "200 ok"),
        .stream(
            "an answer to a PING that was not sent", Frames.ping(ack: true) + Frames.answer(1),
            "200 ok"),
        .stream(
            "WINDOW_UPDATE on a stream that is over",
            Frames.answer(1) + Frames.windowUpdate(1, 1), "200 ok"),
        .stream(
            "PRIORITY on a stream that never was",
            Frames.frame(2, stream: 99, [0, 0, 0, 0, 1]) + Frames.answer(1), "200 ok"),
        .stream(
            "a stream window that overflows", Frames.windowUpdate(1, 0x7FFF_FFFF),
            "malformed unknown", reset: 3),
        .stream(
            "a reserved bit in a stream's number",
            Frames.frame(1, flags: 5, stream: 1 | Int32.min, [0x88]), "200 "),
    ]
}
