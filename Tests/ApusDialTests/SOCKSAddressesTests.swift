import ApusCore
@testable import ApusDial
import ApusTunnel
import Testing

/// The addresses that a SOCKS proxy is asked for, one after the other.
@Suite struct SOCKSAddressesTests {
    private func targets(_ count: Int) -> [SOCKSTarget] {
        (0..<count).map { .ipv4([10, 0, 0, UInt8($0)], port: 443) }
    }

    /// Whether the proxy is asked for the next address after this cause.
    private func goesOn(after cause: SOCKSCause?) -> Bool {
        var addresses = SOCKSAddresses()
        addresses.keep(targets(2), at: 0)
        addresses.refused(at: 0, cause)
        let isRedialled = addresses.takeRedial()
        #expect(addresses.current(at: 0) == targets(2)[isRedialled ? 1 : 0])
        return isRedialled
    }

    @Test(
        "a refusal of the address leads to the next one",
        arguments: [
            SOCKSCause.generalFailure, .networkUnreachable, .hostUnreachable, .connectionRefused,
            .ttlExpired, .addressTypeNotSupported, .unassigned,
        ])
    func refusalOfAnAddress(_ cause: SOCKSCause) {
        #expect(goesOn(after: cause))
    }

    @Test(
        "a refusal of the client ends the dial",
        arguments: [
            SOCKSCause.notAllowed, .commandNotSupported, .rejected, .identUnreachable,
            .identMismatch, nil,
        ])
    func refusalOfTheClient(_ cause: SOCKSCause?) {
        #expect(!goesOn(after: cause))
    }

    @Test func theLastAddressHasNoNextOne() {
        var addresses = SOCKSAddresses()
        addresses.keep(targets(1), at: 0)
        addresses.refused(at: 0, .hostUnreachable)
        let isRedialled = addresses.takeRedial()
        #expect(!isRedialled)
        #expect(addresses.current(at: 0) == targets(1)[0])
    }

    @Test func atMostSixteenAddressesAreAskedFor() {
        #expect(SOCKSAddresses.maxAddresses == 16)
        var addresses = SOCKSAddresses()
        addresses.keep(targets(20), at: 0)
        var asked = [addresses.current(at: 0)]
        while true {
            addresses.refused(at: 0, .hostUnreachable)
            guard addresses.takeRedial() else { break }
            asked.append(addresses.current(at: 0))
        }
        #expect(asked == Array(targets(16)))
    }

    @Test func eachProxyOfAChainHasItsOwnAddresses() {
        var addresses = SOCKSAddresses()
        #expect(addresses.current(at: 1) == nil)
        addresses.keep(targets(2), at: 1)
        addresses.refused(at: 0, .hostUnreachable)
        var isRedialled = addresses.takeRedial()
        #expect(!isRedialled)
        #expect(addresses.current(at: 0) == nil)
        addresses.refused(at: 1, .hostUnreachable)
        isRedialled = addresses.takeRedial()
        #expect(isRedialled)
        // It is said once.
        isRedialled = addresses.takeRedial()
        #expect(!isRedialled)
        #expect(addresses.current(at: 1) == targets(2)[1])
    }
}
