import Apus
import ApusWebSocket
import Testing

/// The shell around the machine, over a stream and a clock that the test moves.
@Suite(.timeLimit(.minutes(5))) final class SocketCoreTests {
    let stream = FakeStream()
    let clock = ManualClock()

    /// Ends what waits for the peer or the clock, neither of which moves any more.
    deinit {
        stream.close()
    }

    private func makeCore(
        pings: Bool = false, agreement: DeflateAgreement? = nil, sentFrame: Int = 1 << 20
    ) -> SocketCore {
        SocketCore(
            stream,
            WebSocketMachine(
                .client, limits: .init(frame: 1 << 20, message: 1 << 20, sentFrame: sentFrame),
                agreement: agreement), masks: MaskKeys(Zero()), time: clock.time,
            keepAlive: pings
                ? KeepAlive(interval: .seconds(20), timeout: .seconds(5), now: .zero) : nil,
            closeTimeout: .seconds(10))
    }

    /// Keys of zeros, so that written frames can be read.
    private struct Zero: RandomNumberGenerator, Sendable {
        mutating func next() -> UInt64 { 0 }
    }

    // MARK: Reading

    @Test func messagesAreReadUntilThePeersClose() async throws {
        let core = makeCore()
        stream.arrive(wire(1, "a") + wire(2, [1]) + closeFrame(1001, Array("bye".utf8)))
        #expect(try await core.next() == .text("a"))
        #expect(try await core.next() == .binary(Bytes([1])))
        #expect(try await core.next() == nil)
        #expect(try await core.next() == nil)
        #expect(await core.peerClose == WebSocketClose(.goingAway, reason: "bye"))
        try await eventually("the Close was answered") {
            stream.written == due(8, [3, 0xE9]) && stream.hasFinished
        }
        // A server closes first (RFC 6455, section 7.1.1).
        #expect(!stream.isClosed)
        core.dropped()
        #expect(!stream.isClosed)
        stream.end()
        try await eventually("the stream is closed") { stream.isClosed }
    }

    @Test func aPeerThatNeverEndsIsClosedInTime() async throws {
        let core = makeCore()
        stream.arrive(closeFrame(1000))
        #expect(try await core.next() == nil)
        try await eventually("the peer's end is awaited") { clock.sleepers == 1 }
        try await eventually("our side has ended") { stream.hasFinished }
        clock.advance(by: .seconds(10))
        try await eventually("the stream is closed") { stream.isClosed }
    }

    @Test func aCloseOfAnotherCodeIsAnError() async {
        let core = makeCore()
        stream.arrive(wire(1, "a") + closeFrame(1011, Array("broken".utf8)))
        #expect(
            await webSocketError { while try await core.next() != nil {} }?.description
                .contains("1011 (broken)") == true)
        let late = await webSocketError { try await core.send(.text("late")) }
        #expect(late?.description.contains("1011") == true)
    }

    @Test func anEndWithoutACloseIsAnError() async {
        let core = makeCore()
        stream.arrive(wire(1, "a") + [0x81])
        stream.end()
        #expect((try? await core.next()) == .text("a"))
        for _ in 0..<2 {
            guard case .truncated? = await webSocketError({ _ = try await core.next() }) else {
                Issue.record("another error")
                return
            }
        }
    }

    @Test func aFailureOfTheStreamIsReported() async throws {
        let core = makeCore()
        stream.fail(.reset)
        #expect(await webSocketError { _ = try await core.next() }?.transportError?.kind == .reset)
        #expect(await webSocketError { _ = try await core.next() }?.transportError?.kind == .reset)
        try await eventually("the stream is closed") { stream.isClosed }
    }

    @Test func aFaultOfThePeerIsReportedToBothSides() async throws {
        let core = makeCore()
        stream.arrive(wire(1, [0xFF]))
        let error = await webSocketError { _ = try await core.next() }
        guard case .violation(let close)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(close.code == .invalidPayload)
        try await eventually("the Close was sent") {
            stream.written == due(8, [3, 0xEF] + Array(close.reason.utf8))
        }
    }

    @Test func oneTaskReads() async throws {
        let core = makeCore()
        let first = Task { try await core.next() }
        try await eventually("the first waits") { stream.isReadWaiting }
        guard case .invalidUse? = await webSocketError({ _ = try await core.next() }) else {
            Issue.record("another error")
            return
        }
        stream.arrive(wire(1, "a"))
        #expect(try await first.value == .text("a"))
    }

    @Test func aCancelledReadConsumesNothing() async throws {
        let core = makeCore()
        stream.arrive(Array(wire(1, "abc").prefix(3)))
        let task = Task { try await core.next() }
        try await eventually("the read waits") { stream.isReadWaiting }
        task.cancel()
        #expect(await webSocketError { _ = try await task.value }?.isCancelled == true)
        stream.arrive(Array(wire(1, "abc").dropFirst(3)))
        #expect(try await core.next() == .text("abc"))
    }

    // MARK: Pings

    @Test func pingsAreAnsweredWhileATaskReads() async throws {
        let core = makeCore()
        stream.arrive(wire(9, "1") + wire(9, "2") + wire(1, "a"))
        #expect(try await core.next() == .text("a"))
        try await eventually("the last ping was answered") {
            stream.written == due(10, Array("2".utf8))
        }
    }

    @Test func aFloodOfPingsWaitsAsOneAnswer() async throws {
        let core = makeCore()
        stream.block()
        for number in UInt8(0)..<100 { stream.arrive(wire(9, [number])) }
        stream.arrive(wire(1, "a"))
        // Reading goes on though the peer takes no answer.
        #expect(try await core.next() == .text("a"))
        try await eventually("one answer is being written") { stream.writersWaiting == 1 }
        stream.arrive(wire(9, [200]) + wire(1, "b"))
        #expect(try await core.next() == .text("b"))
        stream.unblock()
        try await eventually("the last ping was answered") {
            stream.written.suffix(7) == due(10, [200])[...]
        }
        #expect(stream.writes <= 3)
    }

    @Test func aSilentPeerIsPingedAndThenGivenUp() async throws {
        let core = makeCore(pings: true)
        let read = Task { try await core.next() }
        try await eventually("the read waits") { stream.isReadWaiting }
        #expect(await core.nextTick == .seconds(20))
        clock.advance(by: .seconds(20))
        await core.tick()
        try await eventually("a ping was sent") { stream.written == due(9) }
        #expect(await core.nextTick == .seconds(5))
        clock.advance(by: .seconds(5))
        await core.tick()
        guard case .pongMissing? = await webSocketError({ _ = try await read.value }) else {
            Issue.record("another error")
            return
        }
        #expect(stream.isClosed)
        #expect(await core.nextTick == nil)
    }

    @Test func anAnsweredPingKeepsTheConnection() async throws {
        let core = makeCore(pings: true)
        let read = Task { try await core.next() }
        try await eventually("the read waits") { stream.isReadWaiting }
        clock.advance(by: .seconds(20))
        await core.tick()
        stream.arrive(wire(10))
        try await eventually("the pong was read") { stream.isReadWaiting }
        clock.advance(by: .seconds(5))
        await core.tick()
        stream.arrive(wire(1, "a"))
        #expect(try await read.value == .text("a"))
    }

    @Test func silenceDoesNotCountWhileNoTaskReads() async throws {
        let core = makeCore(pings: true)
        for _ in 0..<10 {
            clock.advance(by: .seconds(20))
            await core.tick()
        }
        stream.arrive(wire(10) + wire(1, "a"))
        #expect(try await core.next() == .text("a"))
    }

    // MARK: Sending

    @Test func messagesAreSentWholeAndInOrder() async throws {
        let core = makeCore(sentFrame: 4)
        stream.block()
        let first = Task { try await core.send(.text("aaaaaaaa")) }
        try await eventually("the first frame is being written") { stream.writersWaiting == 1 }
        let second = Task { try await core.send(.text("b")) }
        // A ping in the meantime is answered between the frames.
        stream.arrive(wire(9, "p") + wire(1, "x"))
        #expect(try await core.next() == .text("x"))
        stream.unblock()
        try await first.value
        try await second.value
        let mask: [UInt8] = [0, 0, 0, 0]
        let frame = Array("aaaa".utf8)
        #expect(
            stream.written
                == wire(1, frame, fin: false, mask: mask) + due(10, Array("p".utf8))
                + wire(0, frame, mask: mask) + wire(1, [0x62], mask: mask))
    }

    @Test func aCancelledSendThatHasNotBegunSendsNothing() async throws {
        let core = makeCore()
        stream.block()
        let first = Task { try await core.send(.text("a")) }
        try await eventually("the first is being written") { stream.writersWaiting == 1 }
        let second = Task { try await core.send(.text("b")) }
        second.cancel()
        #expect(await webSocketError { try await second.value }?.isCancelled == true)
        stream.unblock()
        try await first.value
        try await core.send(.text("c"))
        let mask: [UInt8] = [0, 0, 0, 0]
        #expect(stream.written == wire(1, [0x61], mask: mask) + wire(1, [0x63], mask: mask))
        #expect(!stream.isClosed)
    }

    @Test func aCancelledSendLeavesTheCompressionUsable() async throws {
        let core = makeCore(agreement: DeflateAgreement())
        let text = String(repeating: "apus apus ", count: 20)
        try await core.send(.text(text))
        stream.block()
        let send = Task { try await core.send(.text(text + "x")) }
        try await eventually("it is being written") { stream.writersWaiting == 1 }
        send.cancel()
        #expect(await webSocketError { try await send.value }?.isCancelled == true)
        stream.unblock()
        try await core.send(.text(text + "y"))
        let played = play([stream.written], role: .server, agreement: DeflateAgreement())
        // This stream sends what was handed over.
        #expect(played.messages == [text, text + "x", text + "y"].map { .text($0) })
    }

    @Test func halfAMessageEndsTheConnection() async throws {
        let core = makeCore(sentFrame: 1)
        stream.block()
        let send = Task { try await core.send(.text("ab")) }
        try await eventually("it is being written") { stream.writersWaiting == 1 }
        send.cancel()
        #expect(await webSocketError { try await send.value }?.isCancelled == true)
        #expect(stream.isClosed)
    }

    @Test func atMost1024CallsOfSendWait() async throws {
        let core = makeCore()
        stream.block()
        let first = Task { try await core.send(.text("")) }
        try await eventually("it is being written") { stream.writersWaiting == 1 }
        let others = (0..<1024).map { _ in Task { try await core.send(.text("")) } }
        try await eventually("all wait") { await core.waitingSends == 1024 }
        let error = await webSocketError { try await core.send(.text("")) }
        #expect(error?.description.contains("1024") == true)
        stream.unblock()
        try await first.value
        for task in others { try await task.value }
    }

    // MARK: Closing

    @Test func theClosingHandshake() async throws {
        let core = makeCore()
        let close = Task { try await core.close(WebSocketClose(.normal, reason: "done")) }
        try await eventually("our Close was sent") {
            stream.written == due(8, [3, 0xE8] + Array("done".utf8))
        }
        // What arrives before the peer's Close is kept when no task reads.
        stream.arrive(wire(1, "late") + closeFrame(1000))
        try await close.value
        #expect(await core.peerClose?.code == .normal)
        #expect(try await core.next() == .text("late"))
        #expect(try await core.next() == nil)
        try await core.close(WebSocketClose(.normal))
        let late = await webSocketError { try await core.send(.text("late")) }
        #expect(late?.description.contains("1000") == true)
        stream.end()
        try await eventually("the stream is closed") { stream.isClosed }
    }

    @Test func aReaderGetsWhatArrivesBeforeThePeersClose() async throws {
        let core = makeCore()
        let reader = Task {
            var messages: [WebSocketMessage] = []
            while let message = try await core.next() { messages.append(message) }
            return messages
        }
        try await eventually("it reads") { stream.isReadWaiting }
        let close = Task { try await core.close(WebSocketClose(.normal)) }
        try await eventually("our Close was sent") { stream.written == due(8, [3, 0xE8]) }
        stream.arrive(wire(1, "late") + closeFrame(4000))
        try await close.value
        // The code of an answer is the peer's matter.
        #expect(try await reader.value == [.text("late")])
    }

    /// A reader that is between two reads when the closing handshake begins.
    @Test func aReaderMayComeAfterTheCloseHasBegun() async throws {
        let core = makeCore()
        let close = Task { try await core.close(WebSocketClose(.normal)) }
        try await eventually("it reads") { stream.isReadWaiting }
        let reader = Task { [try await core.next(), try await core.next(), try await core.next()] }
        stream.arrive(wire(1, "a") + wire(1, "b"))
        stream.arrive(closeFrame(1000))
        #expect(try await reader.value == [.text("a"), .text("b"), nil])
        try await close.value
    }

    @Test(arguments: [0, 1]) func aCloseKeepsSoManyBytes(beyond: Int) async throws {
        let core = makeCore()
        let half = [UInt8](repeating: 0, count: SocketCore.maxKeptBytes / 2)
        stream.arrive(wire(2, half) + wire(2, half + [UInt8](repeating: 0, count: beyond)))
        stream.arrive(closeFrame(1000))
        try await core.close(WebSocketClose(.normal))
        #expect(try await core.next() == .binary(Bytes(half)))
        #expect(try await core.next() == (beyond == 0 ? .binary(Bytes(half)) : nil))
        #expect(try await core.next() == nil)
    }

    @Test func aPeerThatDoesNotAnswerTheCloseIsGivenUp() async throws {
        let core = makeCore()
        let close = Task { try await core.close(WebSocketClose(.normal)) }
        try await eventually("the time runs") { clock.sleepers == 1 && stream.isReadWaiting }
        clock.advance(by: .seconds(10))
        guard case .closeTimeout? = await webSocketError({ try await close.value }) else {
            Issue.record("another error")
            return
        }
        #expect(stream.isClosed)
    }

    @Test func aCancelledCloseEndsTheConnection() async throws {
        let core = makeCore()
        let close = Task { try await core.close(WebSocketClose(.normal)) }
        try await eventually("it waits") { stream.isReadWaiting }
        close.cancel()
        #expect(await webSocketError { try await close.value }?.isCancelled == true)
        #expect(stream.isClosed)
    }

    @Test func cancellingEndsAReadAndAClose() async throws {
        let core = makeCore()
        let read = Task { try await core.next() }
        try await eventually("it reads") { stream.isReadWaiting }
        let close = Task { try await core.close(WebSocketClose(.normal)) }
        try await eventually("our Close was sent") { !stream.written.isEmpty }
        core.cancel()
        #expect(await webSocketError { _ = try await read.value }?.isCancelled == true)
        #expect(await webSocketError { try await close.value }?.isCancelled == true)
    }

    @Test(arguments: [(1005, "x"), (1006, ""), (999, ""), (5000, "")] as [(UInt16, String)])
    func aCloseThatMayNotBeSentIsRefused(code: UInt16, reason: String) async {
        let core = makeCore()
        let close = WebSocketClose(.init(rawValue: code), reason: reason)
        guard case .invalidUse? = await webSocketError({ try await core.close(close) }) else {
            Issue.record("another error")
            return
        }
        #expect(stream.written.isEmpty)
    }

    @Test(arguments: [123, 124]) func theReasonIsBounded(count: Int) async throws {
        let core = makeCore()
        stream.arrive(closeFrame(1000))
        let close = WebSocketClose(.normal, reason: String(repeating: "x", count: count))
        if count == 123 {
            try await core.close(close)
        } else {
            guard case .invalidUse? = await webSocketError({ try await core.close(close) }) else {
                Issue.record("another error")
                return
            }
        }
    }

    @Test func droppingClosesTheStream() {
        let core = makeCore()
        core.dropped()
        #expect(stream.isClosed)
    }
}
