import ApusCore
import ApusHTTP2
import Testing

private let window = 100_000

private func harness() throws -> Harness {
    var tuning = EngineTuning.HTTP2()
    tuning.streamWindow = window
    tuning.maxStreamWindow = window
    tuning.connectionWindow = 200_000
    let harness = try Harness(tuning: tuning)
    try harness.request()
    try harness.request()
    harness.receive(Wire.head(1) + Wire.head(3))
    _ = harness.takeSent()
    return harness
}

private func block(_ stream: Int32, _ count: Int) -> [UInt8] {
    Wire.data(stream, String(repeating: "x", count: count))
}

@Suite struct HTTP2SessionWindowsTests {
    @Test func theConnectionIsCreditedOnReceiptAndTheStreamOnConsumption() throws {
        let harness = try harness()
        for _ in 0..<6 { harness.receive(block(1, 16_000)) }
        #expect(harness.takeSent() == [])
        harness.receive(block(1, 4_000))
        #expect(harness.takeSent() == ["WINDOW 0 100000"])
        harness.session.consumed(49_999, on: 1)
        harness.pump()
        #expect(harness.takeSent() == [])
        harness.session.consumed(1, on: 1)
        harness.pump()
        #expect(harness.takeSent() == ["WINDOW 1 50000"])
    }

    @Test func oneReaderThatStopsHoldsUpNoOther() throws {
        let harness = try harness()
        for _ in 0..<10 { harness.receive(block(1, 10_000)) }
        // Stream 1 is full; stream 3 moves ten times as much.
        for _ in 0..<100 {
            harness.receive(block(3, 10_000))
            harness.session.consumed(10_000, on: 3)
        }
        #expect(harness.error == nil)
        let credited = harness.sent.filter { $0.stream == 0 }.reduce(0) { $0 + Int($1.number()) }
        #expect(credited == 1_100_000)
    }

    @Test func aPeerBeyondTheStreamsWindowLosesTheStreamOnly() throws {
        let harness = try harness()
        for _ in 0..<10 { harness.receive(block(1, 10_000)) }
        _ = harness.takeLog()
        harness.receive(block(1, 1))
        #expect(harness.takeSent().suffix(1) == ["RST 1 3"])
        #expect(
            harness.takeLog().suffix(2)
                == ["failed 1 malformed(DATA exceeds the stream's window)", "closed 1"])
        harness.receive(Wire.data(3, "", end: true))
        #expect(harness.takeLog() == ["end 3", "closed 3"])
    }

    @Test func noMoreIsCreditedThanWasDelivered() throws {
        let harness = try harness()
        harness.receive(block(1, 10_000))
        harness.session.consumed(1 << 40, on: 1)
        harness.session.consumed(1 << 40, on: 1)
        harness.session.consumed(1 << 40, on: 99)
        harness.pump()
        #expect(harness.takeSent() == [])
        for _ in 0..<4 { harness.receive(block(1, 10_000)) }
        harness.session.consumed(1, on: 1)
        harness.pump()
        #expect(harness.takeSent() == [])
        harness.session.consumed(39_999, on: 1)
        harness.pump()
        #expect(harness.takeSent() == ["WINDOW 1 50000"])
    }

    @Test func aCompleteAnswerIsCreditedNoMore() throws {
        let harness = try harness()
        for _ in 0..<6 { harness.receive(block(1, 10_000)) }
        harness.receive(Wire.data(1, "", end: true))
        harness.session.consumed(60_000, on: 1)
        harness.pump()
        #expect(harness.takeSent() == [])
    }

    @Test func paddingIsCreditedAtOnce() throws {
        let harness = try harness()
        for _ in 0..<400 { harness.receive(Wire.padded(1, "x", padding: 249)) }
        let credited = harness.sent.filter { $0.stream == 1 }.reduce(0) { $0 + Int($1.number()) }
        #expect(credited > 40_000)
        #expect(harness.error == nil)
    }
}

/// A stream's window grows to what a round trip was seen to hold.
@Suite struct HTTP2SessionWindowGrowthTests {
    private func harness(
        most: Int = 400_000, budget: Budget? = nil
    ) throws -> Harness {
        var tuning = EngineTuning.HTTP2()
        tuning.streamWindow = window
        tuning.maxStreamWindow = most
        let harness = try Harness(tuning: tuning, budget: budget)
        try harness.request()
        try harness.request()
        harness.receive(Wire.head(1) + Wire.head(3))
        _ = harness.takeSent()
        return harness
    }

    /// Receives, and consumes unless `consumes` is false.
    private func deliver(
        _ count: Int, to harness: Harness, on stream: Int32 = 1, consumed: Bool = true
    ) {
        for _ in 0..<count / 10_000 {
            harness.receive(block(stream, 10_000))
            if consumed { harness.session.consumed(10_000, on: stream) }
        }
        harness.pump()
    }

    private func pings(_ harness: Harness) -> Int {
        harness.sent.count { $0.type == 6 && $0.flags == 0 }
    }

    @Test func aWindowFilledInOneRoundTripIsDoubled() throws {
        let harness = try harness()
        deliver(50_000, to: harness)
        #expect(pings(harness) == 1)
        deliver(90_000, to: harness)
        #expect(harness.session.receiveWindow(of: 1) == window)
        harness.receive(Wire.ping(1, ack: true))
        #expect(harness.session.receiveWindow(of: 1) == 200_000)
        #expect(harness.session.receiveWindow(of: 3) == window)
        let credited = harness.sent.filter { $0.type == 8 && $0.stream == 1 }
            .reduce(0) { $0 + Int($1.number()) }
        #expect(credited >= 100_000)
    }

    @Test(arguments: [(50_000, true), (40_000, false)])
    func halfAWindowInARoundTripIsAPathThatItBounds(_ count: Int, _ grows: Bool) throws {
        // Half is what one WINDOW_UPDATE credits, and so what a round trip may come to.
        let harness = try harness()
        deliver(50_000, to: harness)
        deliver(count, to: harness)
        harness.receive(Wire.ping(1, ack: true))
        #expect(harness.session.receiveWindow(of: 1) == (grows ? 2 * window : window))
    }

    @Test func growthEndsAtTheTuningsBound() throws {
        let harness = try harness(most: 300_000)
        for round in 1...5 {
            deliver(300_000, to: harness)
            harness.receive(Wire.ping(UInt64(round), ack: true))
        }
        #expect(harness.session.receiveWindow(of: 1) == 300_000)
        let asked = pings(harness)
        deliver(600_000, to: harness)
        #expect(pings(harness) == asked)
        #expect(harness.error == nil)
    }

    @Test func aRoundTripThatHoldsLessGrowsNothingAndIsNotMeasuredAgainAtOnce() throws {
        let harness = try harness()
        var now = Deadline(nanoseconds: 0)
        harness.session.timePassed(now: now)
        deliver(50_000, to: harness)
        deliver(20_000, to: harness)
        harness.receive(Wire.ping(1, ack: true))
        #expect(harness.session.receiveWindow(of: 1) == window)
        deliver(90_000, to: harness)
        #expect(pings(harness) == 1)
        now = now.advanced(by: .milliseconds(100))
        harness.session.timePassed(now: now)
        deliver(10_000, to: harness)
        #expect(pings(harness) == 2)
    }

    @Test func aReaderThatDoesNotKeepUpGetsNoMore() throws {
        let harness = try harness()
        deliver(50_000, to: harness, consumed: false)
        deliver(50_000, to: harness, consumed: false)
        harness.receive(Wire.ping(1, ack: true))
        #expect(harness.session.receiveWindow(of: 1) == window)
    }

    @Test func windowsGrowWithinTheEnginesBudgetAndGiveItBack() throws {
        let budget = Budget(150_000)
        let harness = try harness(budget: budget)
        deliver(50_000, to: harness)
        deliver(90_000, to: harness)
        harness.receive(Wire.ping(1, ack: true))
        #expect(harness.session.receiveWindow(of: 1) == 200_000)
        #expect(budget.left == 50_000)
        // What is left is all that the next gets, and nothing is more than nothing.
        deliver(100_000, to: harness, on: 3)
        deliver(90_000, to: harness, on: 3)
        harness.receive(Wire.ping(2, ack: true))
        #expect(harness.session.receiveWindow(of: 3) == 150_000)
        deliver(150_000, to: harness, on: 3)
        deliver(150_000, to: harness, on: 3)
        harness.receive(Wire.ping(3, ack: true))
        #expect(harness.session.receiveWindow(of: 3) == 150_000)
        #expect(budget.left == 0)
        harness.session.reset(1, code: 8)
        harness.pump()
        #expect(budget.left == 100_000)
        harness.receive(Wire.data(3, "", end: true))
        #expect(budget.left == 150_000)
        #expect(harness.error == nil)
    }

    @Test(arguments: ["the end", "a GOAWAY", "an offence", "nothing"])
    func aConnectionThatEndsGivesItsGrowthBack(_ end: String) throws {
        let budget = Budget(150_000)
        var harness: Harness? = try harness(budget: budget)
        if let harness {
            deliver(50_000, to: harness)
            deliver(90_000, to: harness)
            harness.receive(Wire.ping(1, ack: true))
        }
        #expect(budget.left == 50_000)
        switch end {
        case "the end": harness?.session.streamEnded()
        case "a GOAWAY": harness?.receive(Wire.goAway(0))
        case "an offence": harness?.receive(Wire.windowUpdate(0, 0))
        default: harness = nil
        }
        #expect(budget.left == 150_000)
    }

    @Test func bodiesThatFitTheirWindowAskForNothing() throws {
        let harness = try harness()
        deliver(40_000, to: harness)
        deliver(40_000, to: harness, on: 3)
        #expect(pings(harness) == 0)
    }
}

/// A budget for one thread.
///
/// Unchecked, because a test uses it on one thread alone.
private final class Budget: WindowBudget, @unchecked Sendable {
    private(set) var left: Int

    init(_ bytes: Int) {
        left = bytes
    }

    func take(upTo wanted: Int) -> Int {
        let taken = min(wanted, left)
        left -= taken
        return taken
    }

    func giveBack(_ count: Int) { left += count }
}
