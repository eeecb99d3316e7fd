import Apus
import Glibc
import Loopback
import Testing

/// Long bodies that come bit by bit, and consumers that stop reading them.
@Suite(.timeLimit(.minutes(5))) struct StreamingTests {
    @Test(arguments: ProtocolVariant.allCases)
    func sixtyFourEventStreamsArriveWhole(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let expected = isSanitized ? 100 : 2000
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        let response = try await stand.get("/sse?n=\(expected)&size=200")
                        var events = EventCounter()
                        for try await chunk in response.body { events.add(chunk) }
                        return events.count
                    }
                }
                for try await events in group { #expect(events == expected) }
            }
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func aConsumerThatStopsReadingStopsTheSender(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            let endless = try await stand.get("/endless")
            let body = endless.body.makeAsyncIterator()
            #expect(try await body.next() != nil)
            let sent = try await settled { stand.server.counters.bytesSent }
            // Our own bounds plus what two socket buffers hold.
            #expect(sent < 32 << 20, "\(sent) bytes were sent to a reader that had stopped")
            // Others go on meanwhile.
            for _ in 0..<20 {
                #expect(try await checkPattern(stand.get("/bytes/100000").body) == 100_000)
            }
            // And so does the stream itself once it is read.
            var received = 0
            while received < sent + (1 << 20), let chunk = try await body.next() {
                received += chunk.count
            }
            #expect(received >= sent + (1 << 20))
        }
    }

    @Test(arguments: ProtocolVariant.allCases)
    func droppingABodyEndsTheExchange(_ variant: ProtocolVariant) async throws {
        try await withStand(variant) { stand in
            for _ in 0..<20 {
                let response = try await stand.get("/endless")
                for try await _ in response.body { break }
            }
            try await eventually("no request is left at the origin") {
                stand.server.counters.currentRequests == 0
            }
            try await eventually("no exchange is left in the engine") {
                stand.engine.snapshot().exchanges == 0
            }
            if variant.isHTTP2 { #expect(stand.server.counters.connectionsAccepted == 1) }
        }
    }

    @Test(
        "a consumer on the loop leaves others their turn, however fast its body comes",
        arguments: ProtocolVariant.allCases, [16, 256])
    func aFastBodyLeavesOthersTheirTurn(
        _ variant: ProtocolVariant, bufferedKiB: Int
    ) async throws {
        var tuning = oneLoop
        // One read fills the small one over HTTP/1.1, so that each piece taken reads on.
        tuning.limits.bodyBufferBytes = bufferedKiB << 10
        try await withStand(variant, tuning: tuning) { stand in
            let executor = stand.engine.taskExecutor
            let taken = try await Task(executorPreference: executor) {
                let endless = try await stand.get("/endless")
                let body = endless.body.makeAsyncIterator()
                // From here on the sender is always ahead.
                var count = 0
                while count < 4 << 20, let chunk = try await body.next() { count += chunk.count }
                // Meanwhile the sender fills what lies between.
                usleep(200_000)
                let other = Shared(false)
                Task(executorPreference: executor) { other.change { $0 = true } }
                var taken = 0
                while !other.value, taken < 256 << 20, let chunk = try await body.next() {
                    taken += chunk.count
                }
                return taken
            }.value
            // What was received before it had its turn.
            let most = variant.isHTTP2 ? 8 << 20 : 512 << 10
            #expect(taken <= most, "another task waited for \(taken) bytes")
        }
    }

    private var oneLoop: EngineTuning {
        var tuning = EngineTuning.executor
        tuning.eventLoops = 1
        return tuning
    }

    /// Waits until a number has stopped growing, and gives it.
    private func settled(_ number: () -> Int) async throws -> Int {
        var last = -1
        var unchanged = 0
        try await eventually("the number stops growing") {
            let now = number()
            unchanged = now == last ? unchanged + 1 : 0
            last = now
            return unchanged > 20
        }
        return last
    }
}

/// Counts blank lines, each of which ends an event.
///
/// Searches with memchr: a loop over bytes is slow in a debug build.
struct EventCounter {
    private(set) var count = 0
    private var isAtLineStart = false

    mutating func add(_ chunk: Bytes) {
        chunk.withSpan { span in
            span.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                var position = 0
                while let found = memchr(base + position, 0x0A, bytes.count - position) {
                    let offset = base.distance(to: UnsafeRawPointer(found))
                    if offset == position, position > 0 || isAtLineStart { count += 1 }
                    position = offset + 1
                    isAtLineStart = true
                }
                if position < bytes.count { isAtLineStart = false }
            }
        }
    }
}
