import Apus
import Loopback
import Testing

/// After ten thousand exchanges, most of them ended at random, no exchange, connection or
/// descriptor remains; remaining memory is measured on the tool (`ChurnMemoryTests`).
@Suite(.timeLimit(.minutes(5)), .serialized) struct HTTP1ChurnTests {
    private enum Whim: CaseIterable {
        /// Reads to the end.
        case read
        /// Drops the response unread.
        case drop
        /// Drops it after a piece.
        case dropLater
        /// Cancels the task at some time.
        case cancel
        /// Cancels while a body goes out.
        case cancelUpload
        /// Refused by the server while the body goes out.
        case refused
    }

    @Test("R31, R32: after 10,000 exchanges with random drops and cancels no resource remains")
    func tenThousandExchanges() async throws {
        let rounds = isSanitized ? 10 : 100
        var tuning = EngineTuning.executor
        tuning.pool.maxConnectionsPerHost = 16
        try await withStand(.http1, tuning: tuning) { stand in
            // On a slow machine many an upload is cancelled before its producer begins.
            for pass in 0..<4 where pass == 0 || producers.begun.value <= 10 * rounds {
                try await churn(stand, rounds: rounds)
            }
            try await settled(stand)
            let snapshot = stand.engine.snapshot()
            #expect(snapshot.exchanges == 0)
            #expect(snapshot.waiting == 0)
            #expect(snapshot.dialling == 0)
            #expect(snapshot.connections == snapshot.idle)
            // A producer's task ends with its upload, whatever ended that.
            try await eventually("no producer is left") { producers.alive.value == 0 }
            #expect(producers.begun.value > 10 * rounds)
            let response = try await stand.get("/bytes/1000")
            #expect(try await checkPattern(response.body) == 1000)
        }
    }

    private let producers = Producers()

    /// So many rounds of a hundred exchanges at once.
    private func churn(_ stand: Stand, rounds: Int) async throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<rounds {
            let whims = (0..<100).map { _ in
                (Whim.allCases.randomElement(using: &random) ?? .read, Int.random(in: 0..<4000))
            }
            await withTaskGroup(of: Void.self) { group in
                for (whim, number) in whims {
                    group.addTask { await follow(whim, number, stand) }
                }
            }
        }
    }

    private func follow(_ whim: Whim, _ number: Int, _ stand: Stand) async {
        switch whim {
        case .read:
            guard let response = try? await stand.get("/chunked/\(number * 10)?chunk=1000") else {
                Issue.record("a plain exchange failed")
                return
            }
            let read = try? await checkPattern(response.body)
            #expect(read == number * 10)
        case .drop: _ = try? await stand.get("/bytes/\(number * 100)")
        case .dropLater:
            guard let response = try? await stand.get("/endless") else { return }
            let reader = response.body.makeAsyncIterator()
            _ = try? await reader.next()
        case .cancel:
            let path = number % 2 == 0 ? "/hang" : "/bytes/\(number * 1000)"
            await cancelled(after: number) {
                let response = try await stand.get(path)
                while try await response.body.collect(upTo: 8 << 20).isEmpty {}
            }
        case .cancelUpload:
            let body = body(of: number * 500)
            await cancelled(after: number) {
                _ = try await stand.client.send(
                    .post(stand.url("/echo")), body: body)
            }
        case .refused:
            let body = body(of: number * 100)
            let ending = ["close", "keep", "reset"][number % 3]
            _ = try? await stand.client.send(
                .post(stand.url("/early/413?then=\(ending)")), body: body)
        }
    }

    /// At hand, or from a producer, with a length or without.
    private func body(of count: Int) -> RequestBody {
        let bytes = Bytes([UInt8](repeating: 7, count: count))
        switch count / 100 % 3 {
        case 0: return .bytes(bytes)
        case 1: return .stream(length: UInt64(count)) { [producers] in producers.make(bytes) }
        default: return .stream { [producers] in producers.make(bytes) }
        }
    }

    /// Runs an operation and cancels it some microseconds later.
    private func cancelled(
        after microseconds: Int, _ operation: @escaping @Sendable () async throws -> Void
    ) async {
        let task = Task { try await operation() }
        try? await Task.sleep(for: .microseconds(microseconds))
        task.cancel()
        _ = await task.result
    }

    private func settled(_ stand: Stand) async throws {
        try await eventually("everything is over") {
            let snapshot = stand.engine.snapshot()
            return snapshot.exchanges == 0 && snapshot.leased == 0 && snapshot.dialling == 0
        }
    }
}

/// Makes streams, and counts those that are still read.
private struct Producers: Sendable {
    let begun = Shared(0)
    let alive = Shared(0)

    func make(_ bytes: Bytes) -> Stream { Stream(bytes: bytes, producers: self) }

    /// The bytes, 4 KiB at a time, each after a yield.
    struct Stream: AsyncSequence, Sendable {
        let bytes: Bytes
        let producers: Producers

        func makeAsyncIterator() -> Iterator { Iterator(rest: bytes, life: Life(producers)) }

        struct Iterator: AsyncIteratorProtocol {
            var rest: Bytes
            let life: Life

            mutating func next() async throws -> Bytes? {
                await Task.yield()
                guard !rest.isEmpty else { return nil }
                defer { rest = rest.dropFirst(4096) }
                return rest.prefix(4096)
            }
        }
    }

    final class Life: Sendable {
        private let producers: Producers

        init(_ producers: Producers) {
            self.producers = producers
            producers.begun.change { $0 += 1 }
            producers.alive.change { $0 += 1 }
        }

        deinit { producers.alive.change { $0 -= 1 } }
    }
}
