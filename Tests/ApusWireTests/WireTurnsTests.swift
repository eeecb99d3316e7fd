import ApusSocket
import ApusWire
import Loopback
import Testing

/// A wire that has much to do gives others on its loop their turn.
@Suite(.timeLimit(.minutes(5))) struct WireTurnsTests {
    /// The order of a wire's call and of a job that was queued before the call was planned.
    ///
    /// Unchecked, because it is confined to one loop.
    private final class Order: @unchecked Sendable {
        var events: [String] = []
    }

    @Test func readingLaterIsPlannedOnceAndComesAfterTheJobsThatWait() async throws {
        try await withWire([.readUntilEnd]) { stand in
            let order = Order()
            await stand.onLoop { wire, reader in
                reader.isPaused = true
                wire.loop.execute { order.events.append("job, \(reader.readableCalls) calls") }
                wire.readLater()
                wire.readLater()
                order.events.append("planned, \(reader.readableCalls) calls")
            }
            let calls = await stand.onLoop { $1.readableCalls }
            #expect(order.events == ["planned, 0 calls", "job, 0 calls"])
            #expect(calls == 1)
            await stand.onLoop { wire, _ in wire.readLater() }
            #expect(await stand.onLoop { $1.readableCalls } == 2)
        }
    }

    @Test func writingLaterIsPlannedOnceAndComesAfterTheJobsThatWait() async throws {
        try await withWire([.readUntilEnd]) { stand in
            let order = Order()
            let before = await stand.onLoop { wire, reader -> Int in
                let before = reader.writableCalls
                wire.loop.execute { order.events.append("\(reader.writableCalls - before)") }
                wire.writeLater()
                wire.writeLater()
                order.events.append("\(reader.writableCalls - before)")
                return before
            }
            let calls = await stand.onLoop { $1.writableCalls } - before
            #expect(order.events == ["0", "0"])
            #expect(calls == 1)
        }
    }

    @Test func aWireThatIsNotWritableByThenIsNotReported() async throws {
        try await withWire([.readUntilEnd]) { stand in
            let before = await stand.onLoop { wire, reader -> Int in
                wire.writeLater()
                wire.close()
                return reader.writableCalls
            }
            #expect(await stand.onLoop { $1.writableCalls } == before)
        }
    }
}
