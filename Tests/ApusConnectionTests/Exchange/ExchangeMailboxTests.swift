import ApusConnection
import ApusCore
import HTTPTypes
import Testing

/// A response between its connection and its task, step by step.
@Suite struct ExchangeMailboxTests {
    /// A mailbox that stops its connection at 100 bytes, by reference, so that each step can be
    /// expected where it is taken.
    private final class Box {
        var mailbox: ExchangeMailbox
        var now = Deadline(nanoseconds: 0)

        /// - Parameter creditStep: taken bytes of which a connection that reads hears.
        init(creditStep: Int = .max) {
            mailbox = ExchangeMailbox(maxBytes: 100, creditStep: creditStep, start: now)
        }

        /// Puts in so many bytes; whether to go on reading.
        func put(_ count: Int) -> Bool {
            mailbox.bodyReceived(Bytes([UInt8](repeating: 7, count: count)), now: now)
        }

        func end(_ outcome: ExchangeMailbox.Outcome) -> Bool { mailbox.end(outcome) }

        /// What a task takes, in words.
        func take(hasWaited: Bool = false, until deadline: Deadline? = nil) -> String {
            let taken = mailbox.takeChunk(
                hasWaited: hasWaited, until: deadline, now: now, instant: now)
            return words(taken)
        }

        func takeHead() -> String { words(mailbox.takeHead()) }

        private func words(_ taken: ExchangeMailbox.Taken) -> String {
            switch taken {
            case .head(let response): "head \(response.status.code)"
            case .chunk(let bytes, let credit): "\(bytes.count) credit \(credit)"
            case .end: "end"
            case .failed(let error): "failed \(error.message)"
            case .nothing: "nothing"
            case .late: "late"
            case .secondReader: "second reader"
            }
        }

        var isReady: Bool { mailbox.isReady(now: now) }
    }

    private func failure(_ message: String) -> ExchangeMailbox.Outcome {
        .failed(TransportError(.reset, phase: .body, message: message))
    }

    private func at(_ seconds: Int64) -> Deadline { Deadline(nanoseconds: seconds * 1_000_000_000) }

    @Test func headPiecesAndEndComeOutInOrder() {
        let box = Box()
        #expect(!box.isReady)
        #expect(box.takeHead() == "nothing")
        box.mailbox.headReceived(HTTPResponse(status: .ok))
        #expect(box.isReady)
        #expect(box.takeHead() == "head 200")
        #expect(box.takeHead() == "nothing")
        #expect(box.put(600 / 100))
        #expect(box.end(.ended(trailers: [.eTag: "x"])))
        #expect(box.mailbox.trailers == nil, "the body is not taken yet")
        #expect(box.take() == "6 credit 0")
        #expect(box.mailbox.trailers == [.eTag: "x"])
        #expect(box.take() == "end")
        #expect(box.take() == "end")
    }

    @Test func informationalResponsesAreKeptInOrder() {
        let box = Box()
        box.mailbox.informationalReceived(HTTPResponse(status: .continue))
        box.mailbox.informationalReceived(HTTPResponse(status: .earlyHints))
        #expect(box.mailbox.informational.map(\.status.code) == [100, 103])
        #expect(!box.isReady)
    }

    @Test func theFirstEndCounts() {
        let box = Box()
        #expect(box.end(failure("first")))
        #expect(!box.end(.ended(trailers: nil)))
        #expect(box.mailbox.isOver)
        #expect(box.takeHead() == "failed first")
        #expect(box.take() == "failed first")
    }

    @Test func whatCameBeforeAFailureIsTakenFirstUnlessItIsDiscarded() {
        let box = Box()
        _ = box.put(3)
        #expect(box.end(failure("reset")))
        #expect(box.take() == "3 credit 0")
        #expect(box.take() == "failed reset")
        let dropped = Box()
        _ = dropped.put(3)
        #expect(dropped.end(failure("dropped")))
        dropped.mailbox.discardBody()
        #expect(dropped.take() == "failed dropped")
    }

    @Test func aRefusedRestIsDroppedAndReplacesAnEndOnly() {
        let cancelled = TransportError(.cancelled, phase: .body, message: "cancelled")
        let ended = Box()
        _ = ended.put(3)
        #expect(ended.end(.ended(trailers: [.eTag: "x"])))
        ended.mailbox.refuseRest(with: cancelled)
        #expect(ended.take() == "failed cancelled")
        #expect(ended.mailbox.trailers == nil)
        let failed = Box()
        _ = failed.put(3)
        #expect(failed.end(failure("reset")))
        failed.mailbox.refuseRest(with: cancelled)
        #expect(failed.take() == "failed reset")
        let read = Box()
        _ = read.put(3)
        #expect(read.end(.ended(trailers: nil)))
        #expect(read.take() == "3 credit 0")
        read.mailbox.refuseRest(with: cancelled)
        #expect(read.take() == "end", "nothing was left")
    }

    @Test func theConnectionStopsAtTheBoundAndGoesOnWhenAllIsTaken() {
        let box = Box()
        #expect(box.put(60))
        #expect(!box.put(40))
        #expect(!box.put(1))
        // A quarter of the bound is worth a credit; it says that reading goes on.
        #expect(box.take() == "60 credit 60")
        #expect(box.put(1))
    }

    @Test func aConnectionThatReadsHearsOfCreditsOnlyWhereItWantsThem() {
        let silent = Box()
        _ = silent.put(30)
        #expect(silent.take() == "30 credit 0")
        let box = Box(creditStep: 25)
        _ = box.put(10)
        _ = box.put(14)
        _ = box.put(1)
        #expect(box.take() == "10 credit 0")
        #expect(box.take() == "15 credit 25")
        _ = box.put(30)
        #expect(box.take() == "30 credit 30")
        // Nothing more is read once the response is over.
        _ = box.put(30)
        #expect(box.end(.ended(trailers: nil)))
        #expect(box.take() == "30 credit 0")
    }

    @Test func oneTaskReadsAtATime() {
        let box = Box()
        #expect(box.take() == "nothing")
        #expect(box.take() == "second reader")
        #expect(box.take(hasWaited: true) == "nothing")
        _ = box.put(1)
        #expect(box.take() == "second reader")
        #expect(box.take(hasWaited: true) == "1 credit 0")
        #expect(box.take() == "nothing")
    }

    @Test func aReadWithADeadlineEndsWithNothing() {
        let box = Box()
        #expect(box.take(until: at(5)) == "nothing")
        #expect(box.mailbox.nextReadTimer() == at(5))
        #expect(!box.isReady)
        box.now = at(5)
        #expect(box.isReady)
        let fired = box.mailbox.readTimerFired(now: at(5))
        #expect(fired.next == nil)
        #expect(fired.isLate)
        #expect(box.take(hasWaited: true, until: at(5)) == "late")
        // The next read is the first again.
        _ = box.put(2)
        #expect(box.take() == "2 credit 0")
    }

    @Test func theBodyIsAwaitedSinceItsLastByteOrTheReaderThatTookIt() {
        let box = Box()
        box.mailbox.headReceived(HTTPResponse(status: .ok))
        // The first byte has an instant of its own.
        #expect(box.mailbox.bodyAwaitedSince == nil)
        box.now = at(55)
        _ = box.put(5)
        // A slow consumer is no silence of the peer.
        #expect(box.mailbox.bodyAwaitedSince == nil)
        box.now = at(100)
        #expect(box.take() == "5 credit 0")
        #expect(box.mailbox.bodyAwaitedSince == at(100))
        #expect(box.end(.ended(trailers: nil)))
        #expect(box.mailbox.bodyAwaitedSince == nil)
    }
}
