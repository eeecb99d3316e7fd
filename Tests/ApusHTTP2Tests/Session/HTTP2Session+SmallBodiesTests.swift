import ApusCore
import ApusHTTP2
import Testing

/// Small bodies while large ones wait for the connection's window: incident A16.
@Suite struct HTTP2SessionSmallBodiesTests {
    private static func zeros(_ count: Int) -> Bytes { Bytes([UInt8](repeating: 0, count: count)) }

    /// A session on which so many bodies of 40,000 bytes have used the window up.
    private func crowded(_ count: Int = 20) throws -> Harness {
        let harness = try Harness()
        for _ in 0..<count { _ = try post(40_000, harness) }
        _ = harness.takeSent()
        return harness
    }

    private func post(_ count: Int, _ harness: Harness) throws -> HTTP2StreamID {
        let stream = try harness.request(hasBody: true)
        harness.session.send(Self.zeros(count), endOfBody: true, on: stream)
        harness.pump()
        return stream
    }

    private func total(_ frames: [String]) -> Int {
        frames.reduce(0) { $0 + (Int($1.split(separator: " ")[2]) ?? 0) }
    }

    @Test(arguments: [1, 100, 16_384]) func aSmallBodyGoesBeforeThoseThatWait(count: Int) throws {
        let harness = try crowded()
        let small = try post(count, harness)
        #expect(harness.takeSent() == ["HEADERS \(small)"])
        harness.receive(Wire.windowUpdate(0, 50_000))
        let frames = harness.takeSent()
        #expect(frames.first == "DATA \(small) \(count) end")
        // The rest of the window is used.
        #expect(total(frames) == 50_000)
        harness.receive(Wire.windowUpdate(0, 1 << 24))
        #expect(total(harness.takeSent()) == 20 * 40_000 - 65_535 + count - 50_000)
    }

    @Test func aLargerBodyHasItsTurn() throws {
        let harness = try crowded()
        let other = try post(16_385, harness)
        _ = harness.takeSent()
        harness.receive(Wire.windowUpdate(0, 50_000))
        #expect(!harness.takeSent().contains { $0.hasPrefix("DATA \(other) ") })
    }

    /// Small bodies without end cannot stop an upload: one of its frames leaves between two lots.
    @Test func aLargeBodyHasItsTurnBetweenSmallOnes() throws {
        let harness = try crowded(5)
        var large = 0
        for _ in 0..<20 {
            let small = try post(1000, harness)
            _ = harness.takeSent()
            // Room for a small one and a part of a large one.
            harness.receive(Wire.windowUpdate(0, 2000))
            let frames = harness.takeSent()
            #expect(total(frames) == 2000)
            large += total(frames.filter { !$0.hasPrefix("DATA \(small) ") })
        }
        #expect(large >= 20_000)
    }

    @Test func bodiesGoOnWhenTheSmallOneIsReset() throws {
        let harness = try crowded()
        let small = try post(100, harness)
        // A part of it leaves, and the others give way.
        harness.receive(Wire.windowUpdate(0, 10))
        _ = harness.takeSent()
        harness.session.reset(small, code: 8)
        harness.pump()
        _ = harness.takeSent()
        harness.receive(Wire.windowUpdate(0, 1 << 24))
        #expect(total(harness.takeSent()) == 20 * 40_000 - 65_535)
    }

    /// Its own window holds it back, so the others need not wait for it.
    @Test func aSmallBodyWithoutAWindowOfItsOwnHoldsUpNoOther() throws {
        let harness = try Harness(settings: [(4, 40_000)])
        for _ in 0..<5 { _ = try post(40_000, harness) }
        harness.receive(Wire.settings([(4, 50)]))
        let small = try post(100, harness)
        _ = harness.takeSent()
        harness.receive(Wire.settings([(4, 40_050)]) + Wire.windowUpdate(0, 1 << 24))
        #expect(total(harness.takeSent().filter { $0.hasPrefix("DATA") }) >= 100)
        #expect(harness.session.hasSentEnd(small))
    }
}
