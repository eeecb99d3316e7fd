import Apus
import LoopFixtures
import Loopback
import Testing

/// Bodies made by a program: reads with a deadline, and one reader at a time.
@Suite(.timeLimit(.minutes(5))) struct MadeBodyTests {
    /// So far away that only what is awaited ends the read.
    private static var never: ContinuousClock.Instant { .now + .seconds(3600) }
    private static var soon: ContinuousClock.Instant { .now + .milliseconds(5) }

    @Test func aMadeBodyLivesOnToo() async throws {
        let (pieces, piece) = AsyncStream.makeStream(of: Bytes.self)
        let calls = Guarded(0)
        let body = ResponseBody { () async throws(TransportError) -> Bytes? in
            calls.withLock { $0 += 1 }
            for await piece in pieces { return piece }
            return nil
        }
        let events = body.makeAsyncIterator()
        for _ in 0..<3 {
            let found = try await events.next(until: Self.soon)
            #expect(found == .nothing)
        }
        #expect(calls.withLock { $0 } == 1, "it is called by one read at a time")
        piece.yield(Bytes("good"))
        let good = try await events.next(until: Self.never)
        #expect(good == .bytes(Bytes("good")))
        // A plain read takes the result of such a pending call.
        let nothing = try await events.next(until: Self.soon)
        #expect(nothing == .nothing)
        piece.yield(Bytes("more"))
        let more = try await events.next()
        #expect(more == Bytes("more"))
        piece.finish()
        let end = try await events.next(until: Self.never)
        #expect(end == .end)
        let again = try await events.next(until: Self.never)
        #expect(again == .end)
    }

    @Test func aMadeBodyThatIsDroppedCancelsItsPendingRead() async throws {
        let (pieces, piece) = AsyncStream.makeStream(of: Bytes.self)
        let isStopped = Guarded(false)
        piece.onTermination = { _ in isStopped.withLock { $0 = true } }
        do {
            let body = ResponseBody { () async throws(TransportError) -> Bytes? in
                for await piece in pieces { return piece }
                return nil
            }
            let left = try await body.makeAsyncIterator().next(until: Self.soon)
            #expect(left == .nothing)
        }
        try await eventually("the call is cancelled") { isStopped.withLock { $0 } }
    }

    @Test func aMadeBodysPiecesAndErrorsComeAtOnce() async throws {
        let cut = TransportError(.truncated, phase: .body, message: "cut")
        let failing = ResponseBody([Bytes("a")], failure: cut).makeAsyncIterator()
        let past = ContinuousClock.now - .seconds(1)
        let piece = try await failing.next(until: past)
        #expect(piece == .bytes(Bytes("a")))
        let error = await transportError { _ = try await failing.next(until: past) }
        #expect(error?.kind == .truncated)
    }

    @Test func aCancelledBodyCancelsTheCallThatItsReadWaitsFor() async throws {
        let (pieces, piece) = AsyncStream.makeStream(of: Bytes.self)
        let isStopped = Guarded(false)
        let isCalled = Guarded(false)
        piece.onTermination = { _ in isStopped.withLock { $0 = true } }
        let body = ResponseBody { () async throws(TransportError) -> Bytes? in
            isCalled.withLock { $0 = true }
            for await piece in pieces { return piece }
            return nil
        }
        let reader = Task { await transportError { _ = try await body.collect(upTo: 1) } }
        try await eventually("the function is called") { isCalled.withLock { $0 } }
        body.cancel()
        #expect(await reader.value?.kind == .cancelled)
        try await eventually("the call is cancelled") { isStopped.withLock { $0 } }
        let later = await transportError { _ = try await body.collect(upTo: 1) }
        #expect(later?.kind == .cancelled)
        #expect(body.trailers == nil)
    }

    @Test func aCancelledBodyReleasesItsFunctionAtOnce() async throws {
        final class Held: Sendable {}
        var held: Held? = Held()
        weak let watched = held
        let body = ResponseBody { [held] () async throws(TransportError) -> Bytes? in
            withExtendedLifetime(held) { Bytes("a") }
        }
        held = nil
        #expect(watched != nil)
        body.cancel()
        #expect(watched == nil)
    }

    @Test func aCancelledBodyKeepsAnEarlierError() async throws {
        let cut = TransportError(.truncated, phase: .body, message: "cut")
        let body = ResponseBody([], failure: cut)
        for _ in 0..<2 {
            let error = await transportError { _ = try await body.collect(upTo: 1) }
            #expect(error?.kind == .truncated)
            body.cancel()
        }
    }

    @Test func cancellingAReadCancelsTheCall() async throws {
        let (pieces, piece) = AsyncStream.makeStream(of: Bytes.self)
        let isStopped = Guarded(false)
        piece.onTermination = { _ in isStopped.withLock { $0 = true } }
        let body = ResponseBody { () async throws(TransportError) -> Bytes? in
            for await piece in pieces { return piece }
            throw TransportError(.cancelled, phase: .body, message: "by its task")
        }
        let reader = Task { await transportError { _ = try await body.collect(upTo: 1) } }
        reader.cancel()
        #expect(await reader.value?.message == "by its task")
        try await eventually("the call is cancelled") { isStopped.withLock { $0 } }
    }
}
