import ApusCore
@testable import ApusDial
import Glibc
import Testing

/// Which failures of a dial are a proxy's own.
@Suite struct ProxyPassageTests {
    private func error(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase
    ) -> TransportError {
        TransportError(kind, phase: phase, message: "")
    }

    private func outcomes(
        of count: Int = 1, _ error: TransportError?,
        _ steps: (inout ProxyPassage) -> Void = { _ in }
    ) -> [ProxyOutcome] {
        var passage = ProxyPassage(through: count)
        steps(&passage)
        return passage.outcomes(after: error)
    }

    @Test(
        arguments: [
            (.connect(errno: ECONNREFUSED), .connect, .unreachable),
            (.connect(errno: EHOSTUNREACH), .connect, .unreachable),
            (.timeout, .connect, .connectTimeout),
            // The network, the addresses or the limits of this side.
            (.connect(errno: ENETUNREACH), .connect, nil),
            (.connect(errno: EADDRNOTAVAIL), .connect, nil),
            (.connect(errno: ENAMETOOLONG), .connect, nil),
            (.resource(errno: EMFILE), .connect, nil),
            (.dns(isTemporary: false), .dns, nil), (.timeout, .dns, nil),
            (.cancelled, .connect, nil),
        ] as [(TransportError.Kind, TransportError.Phase, ProxyFailure?)])
    func onTheWayToTheFirst(
        _ kind: TransportError.Kind, _ phase: TransportError.Phase, _ failure: ProxyFailure?
    ) {
        let found = outcomes(of: 2, error(kind, phase))
        #expect(found == (failure.map { [.failed($0)] } ?? []))
    }

    @Test(
        arguments: [
            (.tlsHandshake, .tlsFailed), (.malformed, .tlsFailed), (.timeout, .connectTimeout),
            // This side's judgement, which may be another for other settings.
            (.tlsVerify(code: 10), nil), (.cancelled, nil), (.resource(errno: ENOMEM), nil),
        ] as [(TransportError.Kind, ProxyFailure?)])
    func inTheTLSHandshakeWithIt(_ kind: TransportError.Kind, _ failure: ProxyFailure?) {
        let found = outcomes(error(kind, .tls)) { $0.securing() }
        #expect(found == (failure.map { [.failed($0)] } ?? []))
    }

    @Test(
        arguments: [
            (.timeout, nil, .silent), (.proxyFailed, nil, .brokenOff),
            (.proxyStatus(407), .credentialsRefused, .credentialsRefused),
            (.proxyFailed, .credentialsRefused, .credentialsRefused),
            (.proxyStatus(503), .targetRefused, .targetRefused),
            (.proxyReply(4), .targetRefused, .targetRefused),
            (.cancelled, nil, nil), (.invalidRequest(.init(field: "host", reason: "")), nil, nil),
        ] as [(TransportError.Kind, ProxyFailure?, ProxyFailure?)])
    func inTheHandshakeForATunnel(
        _ kind: TransportError.Kind, _ answer: ProxyFailure?, _ failure: ProxyFailure?
    ) {
        let found = outcomes(error(kind, .proxy)) {
            $0.asking()
            if let answer { $0.refused(answer) }
        }
        #expect(found == (failure.map { [.failed($0)] } ?? []))
    }

    @Test func beyondTheProxiesNoneIsAtFault() {
        let open = ProxyOutcome.opened(.seconds(1))
        let steps = { (passage: inout ProxyPassage) in
            passage.asking()
            passage.passed(open)
        }
        #expect(outcomes(nil, steps) == [open])
        #expect(outcomes(error(.tlsHandshake, .tls), steps) == [open])
        #expect(outcomes(error(.timeout, .tls), steps) == [open])
        // The second of two is asked.
        #expect(outcomes(of: 2, error(.timeout, .proxy), steps) == [open, .failed(.silent)])
        #expect(outcomes(nil) { $0.passed(.forwards) } == [.forwards])
        #expect(outcomes(of: 0, error(.connect(errno: ECONNREFUSED), .connect)) == [])
    }

    @Test func aTunnelThatEndsUnusedIsTheFaultOfTheProxyThatOpenedIt() {
        let found = outcomes(of: 2, error(.proxyFailed, .proxy)) {
            $0.asking()
            $0.passed(.opened(.seconds(1)))
            $0.securing()
            $0.tunnelEnded()
        }
        #expect(found == [.failed(.openedThenClosed)])
    }

    @Test func aWaitForThisSideIsNoProxysFault() {
        let late = error(.timeout, .proxy)
        #expect(
            outcomes(late) {
                $0.asking()
                $0.waitsForItself(true)
            } == [])
        #expect(
            outcomes(late) {
                $0.asking()
                $0.waitsForItself(true)
                $0.waitsForItself(false)
            } == [.failed(.silent)])
    }
}
