import ApusCore
import Testing

@testable import ApusConnection

/// What the reason of an HTTP/1.1 connection's end says about who ended it.
@Suite struct HTTP1EndingTests {
    @Test(arguments: CloseReason.allCases)
    func onlyThePeerAndTheNetworkEndItFromAfar(_ reason: CloseReason) {
        let ending = HTTP1Ending(reason: reason, kind: .timeout, message: "it ended")
        #expect(ending.isRemote == (reason == .peerClosed || reason == .transportError))
        #expect(ending.isLost == (reason == .transportError))
        #expect(!HTTP1Ending(reason: reason, kind: .reset, message: "it ended").isLost)
    }
}
