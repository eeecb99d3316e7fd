import ApusCore
import Testing

/// R6: widening never narrows, and never turns on what was off.
@Suite struct EngineTuningWideningTests {
    @Test(
        "R6: the wider of two stays, unlimited stays, disabled stays",
        arguments: [
            // own, floor, expected
            (100, 200, 200), (256, 200, 256), (200, 200, 200),
            (nil, 200, nil), (100, nil, nil), (nil, nil, nil),
            (0, 200, 0), (0, nil, 0), (100, 0, 100), (nil, 0, nil), (0, 0, 0),
        ] as [(Int?, Int?, Int?)])
    func idleLimits(_ own: Int?, _ floor: Int?, _ expected: Int?) {
        var (tuning, wanted) = (EngineTuning(), EngineTuning())
        (tuning.pool.maxIdle, tuning.pool.maxIdlePerHost) = (own, own)
        (wanted.pool.maxIdle, wanted.pool.maxIdlePerHost) = (floor, floor)
        let widened = tuning.widened(atLeast: wanted)
        #expect(widened.pool.maxIdle == expected)
        #expect(widened.pool.maxIdlePerHost == expected)
    }

    @Test(
        "R6: 256, 512 and an hour stay",
        arguments: [
            (.seconds(90), .seconds(600), .seconds(600)),
            (.seconds(3600), .seconds(90), .seconds(3600)),
            (nil, .seconds(90), nil), (.seconds(90), nil, nil),
        ] as [(Duration?, Duration?, Duration?)])
    func idleTimes(_ own: Duration?, _ floor: Duration?, _ expected: Duration?) {
        var (tuning, wanted) = (EngineTuning(), EngineTuning())
        tuning.pool.maxIdlePerHost = 256
        tuning.pool.maxIdle = 512
        tuning.pool.idleTimeout = own
        wanted.pool.idleTimeout = floor
        let widened = tuning.widened(atLeast: wanted)
        #expect(widened.pool.idleTimeout == expected)
        #expect(widened.pool.maxIdlePerHost == 256)
        #expect(widened.pool.maxIdle == 512)
    }

    @Test("R6: nothing else is touched, caps least of all")
    func capsAndBudgetsStay() {
        var tuning = EngineTuning()
        tuning.pool.maxConnectionsPerHost = 4
        tuning.pool.acquireTimeout = .seconds(1)
        tuning.eventLoops = 3
        var expected = tuning
        expected.pool.maxIdle = 200
        expected.pool.maxIdlePerHost = 20
        #expect(tuning.widened(atLeast: .executor) == expected)
        #expect(tuning.pool.maxIdle == 100, "widening makes a copy")
        #expect(EngineTuning.executor.widened(atLeast: .default) == .executor)
    }
}
