import ApusCore
@testable import ApusEngine
@testable import ApusPool
import Testing

/// How far each dial of the pool is, and what follows when it is given up.
@Suite struct PoolDialsTests {
    private let id = ConnectionID(slot: 0, number: 1)

    private func dial() throws -> PoolActions.Dial {
        let origin = try Origin(scheme: .http, host: "a.test")
        return PoolActions.Dial(connection: id, route: Route(origin: origin, versions: .automatic))
    }

    @Test func aDialThatEndsIsGone() throws {
        var dials = PoolDials()
        dials.decided(try dial())
        #expect(!dials.isEmpty)
        let ended = dials.ended(id)
        #expect(ended?.route == (try dial().route))
        #expect(ended?.wasAbandoned == false)
        #expect(dials.isEmpty)
        let again = dials.ended(id)
        #expect(again == nil)
    }

    @Test func aDialUnderWayIsCancelledWhenItIsGivenUp() throws {
        var dials = PoolDials()
        dials.decided(try dial())
        let task = Task {}
        let mustCancel = dials.started(id, as: task)
        #expect(!mustCancel)
        let given = dials.abandoned(id)
        #expect(given?.task == task)
        #expect(given?.route == (try dial().route))
        let ended = dials.ended(id)
        #expect(ended?.wasAbandoned == true)
    }

    @Test func aDialThatIsGivenUpBeforeItStartsIsCancelledWhenItDoes() throws {
        var dials = PoolDials()
        dials.decided(try dial())
        let given = dials.abandoned(id)
        #expect(given != nil && given?.task == nil)
        let mustCancel = dials.started(id, as: Task {})
        #expect(mustCancel)
    }

    @Test func aDialThatHasEndedBeforeItIsReportedAsStartedIsNotCancelled() throws {
        var dials = PoolDials()
        dials.decided(try dial())
        _ = dials.ended(id)
        let mustCancel = dials.started(id, as: Task {})
        #expect(!mustCancel)
        #expect(dials.isEmpty)
        let given = dials.abandoned(id)
        #expect(given == nil)
    }
}
