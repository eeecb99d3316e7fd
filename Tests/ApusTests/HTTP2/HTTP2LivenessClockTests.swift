import ApusConnection
import ApusCore
import ApusSocket
import Testing

/// Row 73: what counts as a sign of life while an answer is awaited, by what the peer's system
/// acknowledges.
@Suite(.timeLimit(.minutes(5))) struct HTTP2LivenessClockTests {
    private typealias Output = HTTP2Liveness.Output

    /// What was asked of a liveness and what it said, in order.
    private final class Log: Sendable {
        private let lines = Guarded<[String]>([])

        var all: [String] { lines.withLock { $0 } }
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        /// Which look it is, from 0.
        func look() -> Int {
            lines.withLock {
                $0.append("look")
                return $0.count { $0 == "look" } - 1
            }
        }
    }

    /// Leaves a PING unanswered, while `outputs` gives the progress of our bytes, check by check,
    /// and its last from then on.
    private func log(
        _ outputs: [Output], deadAfter: Duration = .milliseconds(2), until end: String = "died"
    ) async throws -> [String] {
        let loop = try EventLoop(name: "apus-test")
        let log = Log()
        var tuning = EngineTuning.HTTP2()
        tuning.pingAfter = .milliseconds(1)
        tuning.suspectAfter = .milliseconds(1)
        tuning.deadAfter = deadAfter
        let liveness = HTTP2Liveness(tuning, on: loop)
        liveness.output = { outputs[min(log.look(), outputs.count - 1)] }
        liveness.ping = { log.add("ping") }
        liveness.suspected = { log.add("suspected") }
        liveness.trusted = { log.add("trusted") }
        liveness.died = { log.add("died") }
        loop.execute { liveness.streamsOpened() }
        try await eventually(end) { log.all.contains(end) }
        await withCheckedContinuation { continuation in
            loop.execute {
                liveness.stop()
                continuation.resume()
            }
        }
        await EventLoop.stopAndJoin([loop])
        return log.all
    }

    @Test func whatThePeerTakesBeforeThePingIsLifeAndItsEndIsNot() async throws {
        let outputs = (0..<100).map { Output(taken: $0, isPending: true) }
        let log = try await log(outputs)
        // As long as bytes move there is no suspicion, and then there is as ever.
        #expect(Array(log.prefix(101)) == ["look", "ping"] + Array(repeating: "look", count: 99))
        let rest = log.dropFirst(101).filter { $0 != "look" }
        #expect(rest == ["suspected", "died"])
    }

    @Test func aPingThatLeavesAtOnceIsAnsweredOrNot() async throws {
        // Bytes written after it and acknowledged prove nothing, and are ignored.
        let outputs = [Output(taken: 10), Output(taken: 20, isPending: true)]
        #expect(try await log(outputs) == ["look", "ping", "suspected", "died"])
    }

    @Test func theTimeOfAPingBeginsWhenItHasArrived() async throws {
        let outputs = [
            Output(taken: 10, isPending: true), Output(taken: 20), Output(taken: 30),
        ]
        #expect(try await log(outputs) == ["look", "ping", "look", "suspected", "died"])
    }

    @Test func bytesThatMoveAgainRestoreTrustLongBeforeTheDeath() async throws {
        let outputs = [
            Output(taken: 10, isPending: true), Output(taken: 10, isPending: true),
            Output(taken: 11, isPending: true), Output(taken: 12, isPending: true),
        ]
        let log = try await log(outputs, deadAfter: .seconds(600), until: "trusted")
        #expect(log.filter { $0 != "look" }.prefix(3) == ["ping", "suspected", "trusted"])
    }

    @Test("a stalled output is looked at again long before its end")
    func aStalledOutputIsLookedAtAgain() async throws {
        let loop = try EventLoop(name: "apus-test")
        let log = Log()
        var tuning = EngineTuning.HTTP2()
        tuning.suspectAfter = .milliseconds(1)
        tuning.writeTimeout = .seconds(600)
        let watch = HTTP2OutputWatch(tuning, on: loop)
        // The socket stays full, and its peer takes a byte at the third look.
        watch.pending = { log.look() < 2 ? 100 : 99 }
        watch.stalled = { log.add("stalled") }
        watch.moved = { log.add("moved") }
        watch.died = { log.add("died") }
        loop.execute { watch.flushed(unsent: 100, hasMoved: true) }
        try await eventually("it moved") { log.all.contains("moved") }
        await withCheckedContinuation { continuation in
            loop.execute {
                watch.stop()
                continuation.resume()
            }
        }
        await EventLoop.stopAndJoin([loop])
        #expect(Array(log.all.prefix(5)) == ["look", "stalled", "look", "look", "moved"])
    }
}
