import Apus
import LoopFixtures
import Loopback
import Testing

private typealias Frames = HTTP2Frames

/// Row 96: many event streams, each with a fault at a random place.
///
/// No stream waits for time: what a peer sends in hours is sent at once.
@Suite(.timeLimit(.minutes(Soak.isWhole ? 240 : 5))) struct EventStreamFaultTests {
    /// How a peer ends an event stream.
    enum Fault: CaseIterable, Sendable {
        case none, end, reset, nonsense, endBeforeTheHead, streamReset

        /// What HTTP/1.1 has no means for is left out.
        static let http1 = allCases.filter { $0 != .streamReset }

        /// Whether every byte before the fault must be delivered.
        var isOrderly: Bool { self != .reset && self != .endBeforeTheHead }

        /// The kinds of error that it may lead to; none when the stream is whole.
        var kinds: [TransportError.Kind] {
            switch self {
            case .none: []
            case .end: [.truncated]
            // Where the system has dropped what was not read, the end comes without it.
            case .reset: [.reset, .truncated]
            case .nonsense: [.malformed]
            case .endBeforeTheHead: [.truncated, .reset]
            case .streamReset: [.h2Stream(code: 2)]
            }
        }
    }

    /// What one connection of the peer sends, by its number.
    struct Plan: Sendable {
        let number: Int
        let events: Int
        let fault: Fault
        /// The events in pieces, which are cut anywhere.
        let pieces: [[UInt8]]

        init(_ number: Int, isHTTP2: Bool) {
            var random = SplitMix(seed: UInt64(number))
            self.number = number
            events = Int.random(in: 0..<60, using: &random)
            fault = (isHTTP2 ? Fault.allCases : Fault.http1).randomElement(using: &random) ?? .none
            var rest = Plan.text(events)[...]
            var pieces: [[UInt8]] = []
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...200, using: &random))
                pieces.append(Array(piece))
                rest = rest.dropFirst(piece.count)
            }
            self.pieces = pieces
        }

        /// The first events, counted from 0.
        static func text(_ count: Int) -> [UInt8] {
            (0..<count).flatMap { Array("data: \($0)\n\n".utf8) }
        }

        var http1: [ScriptedPeer.Step] {
            guard fault != .endBeforeTheHead else { return [.expectHead, .close] }
            let head =
                "HTTP/1.1 200 OK\r\nX-Number: \(number)\r\nTransfer-Encoding: chunked\r\n\r\n"
            let body = pieces.map { piece in
                ScriptedPeer.Step.send(
                    Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece
                        + Array("\r\n".utf8))
            }
            let ending: [ScriptedPeer.Step] =
                switch fault {
                case .none: [.sendText("0\r\n\r\n"), .readUntilEnd]
                case .reset: [.reset]
                case .nonsense: [.sendText("zz\r\n"), .readUntilEnd]
                default: [.halfClose, .readUntilEnd]
                }
            return [.expectHead, .sendText(head)] + body + ending
        }

        var http2: [ScriptedPeer.Step] {
            let opening: [ScriptedPeer.Step] = [.send(Frames.settings()), .request(1)]
            guard fault != .endBeforeTheHead else { return opening + [.close] }
            let head = Frames.head(1, 200, [("x-number", "\(number)")])
            let body = pieces.map { ScriptedPeer.Step.send(Frames.data(1, $0)) }
            let ending: [ScriptedPeer.Step] =
                switch fault {
                case .none: [.send(Frames.data(1, end: true)), .readUntilEnd]
                case .reset: [.reset]
                // DATA belongs to a stream (RFC 9113, section 6.1).
                case .nonsense: [.send(Frames.data(0, [1])), .readUntilEnd]
                case .streamReset: [.send(Frames.reset(1, 2)), .readUntilEnd]
                default: [.halfClose, .readUntilEnd]
                }
            return opening + [.send(head)] + body + ending
        }
    }

    /// Counts how often each exchange ends.
    private final class Endings: EngineObserver {
        private let counted = Guarded<[UInt64: Int]>([:])

        func observe(_ event: EngineEvent, at instant: EngineEvent.Instant) {
            switch event {
            case .exchangeCompleted(let summary), .exchangeCancelled(let summary),
                .exchangeFailed(let summary, _):
                counted.withLock { $0[summary.exchange, default: 0] += 1 }
            default: break
            }
        }

        var counts: [Int] { counted.withLock { Array($0.values) } }
    }

    @Test(
        "row 96: each stream ends once, and no event is lost or doubled", arguments: [false, true])
    func eachStreamEndsOnce(isHTTP2: Bool) async throws {
        let count = Soak.rounds(20_000, short: 400)
        let plans = (0..<count).map { Plan($0, isHTTP2: isHTTP2) }
        let peer = try ScriptedPeer(plans.map { isHTTP2 ? $0.http2 : $0.http1 })
        let endings = Endings()
        let engine = try TransportEngine(relaxedTuning, observer: endings)
        let client = ExecutorClient(
            engine, versions: isHTTP2 ? .http2Only : .http1Only(alpn: .http1))
        let (next, headless) = (Shared(0), Shared(0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<32 {
                group.addTask {
                    while next.take() < count {
                        let url = "http://127.0.0.1:\(peer.port)/events"
                        let hasHead = try await follow(client, url, plans)
                        if !hasHead { headless.change { $0 += 1 } }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(headless.value == plans.count { $0.fault == .endBeforeTheHead })
        #expect(peer.connectionCount == count)
        try await eventually("each exchange has ended") { endings.counts.count == count }
        #expect(endings.counts.allSatisfy { $0 == 1 })
        await engine.shutdown()
        expectEmpty(engine)
        #expect(descriptors(connectedTo: peer.port) == 0)
        peer.stop()
        Soak.report("\(count) event streams with faults, HTTP/2: \(isHTTP2)")
    }

    /// Reads one stream to its end; `false` when it failed before its head.
    private func follow(
        _ client: ExecutorClient, _ url: String, _ plans: [Plan]
    ) async throws -> Bool {
        let response: Response
        do throws(TransportError) {
            response = try await client.send(.get(url), options: .once)
        } catch {
            #expect(Fault.endBeforeTheHead.kinds.contains(error.kind), "\(error)")
            return false
        }
        let name = try #require(HTTPField.Name("x-number"))
        let number = try #require(response.head.headerFields[name].flatMap { Int($0) })
        let plan = plans[number]
        var received: [UInt8] = []
        var kinds: [TransportError.Kind] = []
        let body = response.body.makeAsyncIterator()
        do throws(TransportError) {
            while let chunk = try await body.next() { received += chunk.array }
        } catch {
            kinds.append(error.kind)
        }
        let whole = Plan.text(plan.events)
        let isExact = plan.fault.isOrderly ? received == whole : whole.starts(with: received)
        #expect(isExact, "stream \(number), \(plan.fault): \(received.count) of \(whole.count)")
        if plan.fault == .none {
            #expect(kinds.isEmpty, "stream \(number)")
        } else {
            #expect(kinds.count == 1 && plan.fault.kinds.contains(kinds[0]), "\(number): \(kinds)")
        }
        return true
    }
}
