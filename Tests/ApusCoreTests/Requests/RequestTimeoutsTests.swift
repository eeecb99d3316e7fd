import ApusCore
import Testing

/// A client's time limits, where a request's options have none.
@Suite struct RequestTimeoutsTests {
    @Test func whatIsOpenIsFilled() {
        var timeouts = RequestTimeouts()
        timeouts.acquire = .seconds(1)
        timeouts.connect = .seconds(2)
        timeouts.writeIdle = .seconds(3)
        timeouts.head = .seconds(4)
        timeouts.response = .seconds(5)
        timeouts.firstByte = .seconds(6)
        timeouts.readIdle = .seconds(7)
        timeouts.stallNotice = .seconds(8)
        var options = RequestOptions()
        options.headTimeout = .seconds(40)
        options.fill(from: timeouts)
        let filled = [
            options.acquireTimeout, options.connectTimeout, options.writeIdleTimeout,
            options.headTimeout, options.responseTimeout, options.firstByteTimeout,
            options.readIdleTimeout, options.stallNotice,
        ]
        #expect(filled == [1, 2, 3, 40, 5, 6, 7, 8].map { Duration.seconds($0) })
        #expect(options.totalTimeout == nil)
    }
}
