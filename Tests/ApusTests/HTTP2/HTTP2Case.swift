import Apus
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// A row of the table: what a peer does to two POSTs on streams 1 and 3, and what must come of it.
struct HTTP2Case: Sendable, CustomTestStringConvertible {
    /// What becomes of the connection.
    enum Fate: Sendable, Hashable {
        /// It carries the next request.
        case kept
        /// It carries what it has to its end and takes no more.
        case drained
        /// It is closed at once; we say why by a GOAWAY of this code.
        case ended(CloseReason, goAway: UInt32?)
    }

    let testDescription: String
    /// What the peer says first; `nil` says nothing before `bytes`.
    var settings: [UInt8]? = Frames.settings()
    /// Sent once both requests have come.
    let bytes: [UInt8]
    /// What the peer does then, if anything.
    var ending: ScriptedPeer.Step?
    var method = HTTPRequest.Method.post
    /// What the callers get, as `HTTP2CaseTests.outcome` writes it.
    let first: String
    let second: String
    var fate = Fate.kept
    /// Requests that were sent again.
    var replays = 0
    /// The code of the RST_STREAM that stream 1 gets, if any.
    var reset: UInt32?
}

extension HTTP2Case {
    /// A row about stream 1 alone: its sibling is answered as if nothing was.
    static func stream(
        _ name: String, _ bytes: [UInt8], _ first: String, reset: UInt32? = nil,
        method: HTTPRequest.Method = .post, replays: Int = 0, fate: Fate = .kept
    ) -> HTTP2Case {
        let isHead = method == .head
        let sibling = isHead ? Frames.head(3, end: true) : Frames.answer(3)
        return HTTP2Case(
            testDescription: name, bytes: bytes + sibling, method: method, first: first,
            second: isHead ? "200 " : "200 ok", fate: fate, replays: replays, reset: reset)
    }

    /// A row about an offence that costs the connection: both exchanges are lost with it.
    static func offence(
        _ name: String, _ bytes: [UInt8], code: UInt32, _ outcome: String = "malformed unknown"
    ) -> HTTP2Case {
        HTTP2Case(
            testDescription: name, bytes: bytes, first: outcome, second: outcome,
            fate: .ended(.protocolViolation, goAway: code))
    }
}

@Suite(.timeLimit(.minutes(5))) struct HTTP2CaseTests {
    /// Rows 28 and 29 over HTTP/2, and what RFC 9113 demands of an answer.
    @Test(arguments: HTTP2Case.answers + HTTP2Case.malformedAnswers)
    func rows61To63_eachAnswerComesOutAsItsRowSays(_ row: HTTP2Case) async throws {
        try await play(row)
    }

    @Test(arguments: HTTP2Case.resets)
    func rows60To63_eachResetEndsItsStreamOnly(_ row: HTTP2Case) async throws {
        try await play(row)
    }

    @Test(arguments: HTTP2Case.goAways)
    func rows55To59_eachGoAwayMovesWhatItMay(_ row: HTTP2Case) async throws {
        try await play(row)
    }

    /// Rows 66, 72 and 76.
    @Test(arguments: HTTP2Case.offences)
    func rows65To76_eachOffenceEndsTheConnectionWithItsCode(_ row: HTTP2Case) async throws {
        try await play(row)
    }

    /// Rows 64 to 66 and 72.
    @Test(arguments: HTTP2Case.harmless)
    func rows64To72_whatIsHarmlessChangesNothing(_ row: HTTP2Case) async throws {
        try await play(row)
    }

    @Test func theTableHasItsRows() {
        let rows =
            HTTP2Case.answers + HTTP2Case.malformedAnswers + HTTP2Case.resets
            + HTTP2Case.goAways + HTTP2Case.offences + HTTP2Case.harmless
        #expect(rows.count >= 80)
        #expect(Set(rows.map(\.testDescription)).count == rows.count)
    }

    private func play(_ row: HTTP2Case) async throws {
        var script: [ScriptedPeer.Step] = row.settings.map { [.send($0)] } ?? []
        script += [.request(1), .signal("first"), .request(3), .send(row.bytes)]
        if let ending = row.ending { script.append(ending) }
        script += .answering(5, 7, 9) + [.readUntilEnd]
        // Both requests are under way before some of the rows send SETTINGS, if they do.
        var tuning = EngineTuning.default
        tuning.http2.streamsBeforeSettings = 2
        try await withHTTP2(script, .wellBehaved(4), .wellBehaved(4), tuning: tuning) { stand in
            async let first = Self.outcome(of: row.method, stand)
            #expect(await stand.signal("first"))
            async let second = Self.outcome(of: row.method, stand)
            #expect(await first == row.first)
            #expect(await second == row.second)
            #expect(stand.story.replays.count == row.replays)
            try await check(row, stand)
        }
    }

    /// The connection and the pool afterwards.
    private func check(_ row: HTTP2Case, _ stand: HTTP2Stand) async throws {
        // What was sent again has a connection of its own.
        if case .ended = row.fate { try await stand.settles(connections: min(row.replays, 1)) }
        try await stand.works()
        switch row.fate {
        case .kept:
            #expect(stand.peer.connectionCount == 1)
            #expect(stand.story.closes.isEmpty)
        case .drained:
            #expect(stand.peer.connectionCount == 2)
            try await eventually("the close is reported") { stand.story.closes == [.goAway] }
        case .ended(let reason, let code):
            #expect(stand.peer.connectionCount == 2)
            try await eventually("the close is reported") { stand.story.closes == [reason] }
            #expect(await stand.peer.connection(0) { $0.hasEnded })
            let goAway = stand.frames().last { $0.type == Frames.goAwayType }
            #expect(goAway?.number(at: 4) == code)
        }
        try await stand.settles(connections: 1)
        let reset = stand.frames().first { $0.type == Frames.resetType && $0.stream == 1 }
        #expect(reset?.number() == row.reset)
    }

    /// One request's end in words: status and body, then what failed and the verdict.
    private static func outcome(
        of method: HTTPRequest.Method, _ stand: HTTP2Stand
    ) async -> String {
        var text = ""
        do throws(TransportError) {
            let request = try HTTPRequest(method, url: stand.url)
            let response = try await stand.client.send(
                request, body: method == .post ? .bytes(Bytes("x")) : .empty)
            text = response.informational.map { "\($0.status.code) " }.joined()
            text += "\(response.status.code) "
            for try await chunk in response.body { text += String(chunk) }
            for field in response.body.trailers ?? [:] { text += " \(field)" }
            return text
        } catch {
            if !text.isEmpty { text += ", then " }
            return text + name(of: error.kind) + " \(error.replay.rawValue)"
        }
    }

    private static func name(of kind: TransportError.Kind) -> String {
        switch kind {
        case .h2Stream(let code): "h2Stream(\(code))"
        case .h2GoAway(let code, let last, let debug):
            "h2GoAway(\(code), \(last)\(debug.isEmpty ? "" : ", \(debug)"))"
        default: kind.name
        }
    }
}
