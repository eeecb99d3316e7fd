import ApusCore
import Testing

@testable import ApusPool

@Suite struct ConnectionTimesTests {
    private static func times(idleLimit: Int64, retiresAt: Int64 = .never) -> ConnectionTimes {
        ConnectionTimes(
            order: 1, establishedAt: 0, retiresAt: retiresAt, failuresBefore: 0,
            idleLimit: idleLimit, idleSince: 100)
    }

    @Test func anIdleConnectionExpiresAtItsLimit() {
        let times = Self.times(idleLimit: 50)
        #expect(times.expiresAt == 150)
        #expect(times.expiry(isIdle: true, 149) == nil)
        #expect(times.expiry(isIdle: true, 150) == .idleTimeout)
        #expect(times.expiry(isIdle: false, 150) == nil)
    }

    @Test func ageEndsAConnectionInUseToo() {
        let times = Self.times(idleLimit: .never, retiresAt: 120)
        #expect(times.expiresAt == 120)
        #expect(times.expiry(isIdle: false, 119) == nil)
        #expect(times.expiry(isIdle: false, 120) == .lifetime)
        #expect(times.expiry(isIdle: true, 120) == .lifetime)
    }

    @Test func withoutLimitsAConnectionNeverExpires() {
        #expect(Self.times(idleLimit: .never).expiresAt == .never)
        #expect(Self.times(idleLimit: .never).expiry(isIdle: true, .never - 1) == nil)
    }
}
