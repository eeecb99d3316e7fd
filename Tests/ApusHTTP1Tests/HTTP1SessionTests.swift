import ApusCore
import ApusHTTP1
import HTTPTypes
import Testing

/// What the machine says between the events, which transcripts do not show.
@Suite struct HTTP1SessionTests {
    private var machine = HTTP1Session(limits: .init())

    @Test mutating func aNewConnectionIsIdle() throws {
        #expect(machine.isIdle)
        #expect(!machine.responseStarted)
        #expect(machine.closeReason == nil)
        #expect(try machine.feed("") == [])
        start()
        #expect(!machine.isIdle)
    }

    @Test mutating func aResponseHasStartedWithItsFirstByte() throws {
        start()
        #expect(try machine.feed("H") == [])
        #expect(machine.responseStarted)
    }

    @Test mutating func anInformationalResponseCountsAsStarted() throws {
        start()
        #expect(try machine.feed("HTTP/1.1 100 Continue\r\n\r\n") == ["informational 100"])
        #expect(machine.responseStarted)
        #expect(!machine.isIdle)
    }

    @Test mutating func theNextRequestBeginsAfresh() throws {
        try finishOne("Keep-Alive: timeout=5\r\n")
        #expect(machine.keepAliveHint == KeepAliveHint(timeout: .seconds(5)))
        #expect(machine.responseStarted)
        start()
        #expect(!machine.responseStarted)
        #expect(machine.keepAliveHint == KeepAliveHint())
    }

    @Test mutating func aRequestFinishedBeforeTheEndLeavesTheConnectionUsable() throws {
        machine.requestStarted(method: .post, expectsClose: false, upgrade: nil)
        #expect(try machine.feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n") == ["head 200 1"])
        machine.requestFinished()
        #expect(try machine.feed("x") == ["body 0..<1", "end"])
        #expect(machine.closeReason == nil)
        #expect(machine.isIdle)
    }

    @Test mutating func aRequestFinishedAfterTheEndChangesNothing() throws {
        machine.requestStarted(method: .post, expectsClose: false, upgrade: nil)
        #expect(
            try machine.feed("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n") == [
                "head 413 0", "end",
            ])
        machine.requestFinished()
        #expect(machine.closeReason == .requestUnfinished)
        #expect(!machine.isIdle)
    }

    @Test mutating func anEndDueIsReportedEvenWhenTheStreamEndsFirst() throws {
        start()
        let head = Array("HTTP/1.1 204 No\r\n\r\n".utf8)
        var offset = 0
        _ = try machine.nextEvent(in: head.span.bytes, offset: &offset)
        guard case .end(trailers: nil) = try machine.streamEnded() else {
            Issue.record("no end")
            return
        }
        #expect(machine.isIdle)
    }

    @Test mutating func anIdleConnectionThatEndsIsOfNoMoreUse() throws {
        #expect(try machine.streamEnded() == nil)
        #expect(!machine.isIdle)
        #expect(machine.closeReason == .peerClosed)
    }

    @Test mutating func afterAFaultEveryByteIsUnsolicited() throws {
        start()
        #expect(throws: HTTP1Error.self) { _ = try machine.feed("garbage\r\n") }
        #expect(machine.closeReason == .protocolViolation)
        let error = #expect(throws: HTTP1Error.self) {
            _ = try machine.feed("HTTP/1.1 200 OK\r\n\r\n")
        }
        #expect(error?.reason == .unsolicited)
        #expect(machine.closeReason == .protocolViolation)
    }

    @Test mutating func anUpgradedConnectionLeavesTheRestAlone() throws {
        machine.requestStarted(method: .connect, expectsClose: false, upgrade: nil)
        machine.requestFinished()
        let head = "HTTP/1.1 200 OK\r\n\r\n"
        let bytes = Array((head + "rest").utf8)
        var offset = 0
        guard case .upgraded = try machine.nextEvent(in: bytes.span.bytes, offset: &offset) else {
            Issue.record("not upgraded")
            return
        }
        #expect(offset == head.utf8.count)
        #expect(try machine.nextEvent(in: bytes.span.bytes, offset: &offset) == nil)
        #expect(offset == head.utf8.count)
        #expect(try machine.streamEnded() == nil)
    }

    @Test mutating func aLongBodyIsOnePiecePerInput() throws {
        start()
        let length = 1_000_000
        #expect(
            try machine.feed("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n") == [
                "head 200 \(length)"
            ])
        #expect(try machine.feed(String(repeating: "x", count: length - 1)) == ["body 0..<999999"])
        #expect(try machine.feed("x") == ["body 0..<1", "end"])
    }

    @Test mutating func aHundredExchangesFollowEachOther() throws {
        for _ in 0..<100 { try finishOne("") }
        #expect(machine.isIdle)
    }

    // MARK: Steps

    private mutating func start() {
        machine.requestStarted(method: .get, expectsClose: false, upgrade: nil)
        machine.requestFinished()
    }

    private mutating func finishOne(_ fields: String) throws {
        start()
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\(fields)\r\n"
        #expect(try machine.feed(head) == ["head 200 0", "end"])
    }
}
