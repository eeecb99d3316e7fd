import ApusCore
@testable import ApusEngine
import ApusSocket
import LoopFixtures
import Testing

/// A wait for time alone.
///
/// Every instant here is over, or too far away to come.
@Suite(.timeLimit(.minutes(5))) struct PauseTests {
    private func limit(_ deadline: Deadline) throws -> WaitLimit {
        var options = RequestOptions()
        options.totalTimeout = .seconds(1)
        let request = try request(options: options)
        return try #require(
            WaitLimit(nil, as: .pool, deadline, request, deadline.advanced(by: .seconds(-1))))
    }

    @Test func aPauseEndsAtItsInstant() async throws {
        try await withLoop { loop in
            try await Pause.wait(until: .now(), nil, on: loop)
            try await Pause.wait(until: .now(), try limit(farAway), on: loop)
            #expect(await loop.run { loop.timerCount } == 0)
        }
    }

    @Test func anEarlierLimitEndsThePauseWithAnError() async throws {
        try await withLoop { loop in
            let limit = try limit(.now())
            let error = await transportError { () throws(TransportError) in
                try await Pause.wait(until: farAway, limit, on: loop)
            }
            #expect(error?.kind == .timeout)
            #expect(error?.phase == .total)
        }
    }

    @Test func aCancelledTaskEndsThePause() async throws {
        try await withLoop { loop in
            let task = Task { () -> TransportError? in
                await transportError { () throws(TransportError) in
                    try await Pause.wait(until: farAway, nil, on: loop)
                }
            }
            task.cancel()
            let error = await task.value
            #expect(error?.kind == .cancelled)
            #expect(error?.phase == .pool)
            #expect(await loop.run { loop.timerCount } == 0)
        }
    }
}
