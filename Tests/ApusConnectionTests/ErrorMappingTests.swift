import ApusConnection
import ApusCore
import ApusHTTP1
import ApusHTTP2
import ApusSocket
import ApusTunnel
import ApusWire
import Glibc
import Testing

/// The layers' own errors as the kinds that users see.
@Suite struct ErrorMappingTests {
    @Test(arguments: [
        (HTTP1Error.statusLine, TransportError.Kind.malformed),
        (.bytesWithoutRequest, .malformed), (.closedInHead, .truncated),
        (.closedInBody(missing: 5), .truncated),
        (.informationalResponses(most: 16), .tooLarge),
    ])
    func errorsOfHTTP1(_ error: HTTP1Error, _ kind: TransportError.Kind) {
        #expect(TransportError.Kind(error) == kind)
    }

    @Test(arguments: [
        (StreamFailure.notSent, TransportError.Kind.reset), (.refused, .h2Stream(code: 7)),
        (.aboveLastStreamID(goAwayCode: 2), .h2GoAway(code: 2, lastStreamID: 0)),
        (.reset(code: 0), .truncated), (.reset(code: 8), .h2Stream(code: 8)),
        (.trailersNotFramed, .tooLarge), (.connectionLost, .truncated),
    ])
    func failuresOfStreams(_ failure: StreamFailure, _ kind: TransportError.Kind) {
        #expect(TransportError.Kind(failure) == kind)
        #expect(!failure.explained.isEmpty)
    }

    @Test(arguments: [
        (EMFILE, TransportError.Kind.resource(errno: EMFILE)),
        (ENFILE, .resource(errno: ENFILE)), (ENOBUFS, .resource(errno: ENOBUFS)),
        (ENOMEM, .resource(errno: ENOMEM)), (ETIMEDOUT, .timeout), (ECONNRESET, .reset),
        (EPIPE, .reset),
    ])
    func errorsOfTheSystem(_ errno: Int32, _ kind: TransportError.Kind) {
        #expect(TransportError.Kind(SystemError(errno: errno, call: "read")) == kind)
    }

    @Test(arguments: [
        (ECONNRESET, ConnectionEnd.Sign.reset), (EPIPE, .reset), (ECONNABORTED, .reset),
        (ETIMEDOUT, .silence), (EHOSTUNREACH, .silence), (ENETUNREACH, .silence),
        (ENETDOWN, .silence),
        // The system's own.
        (EMFILE, nil), (ENOBUFS, nil), (ENOMEM, nil),
    ])
    func errorsOfTheSystemAsTheEndOfAnExchange(_ errno: Int32, _ sign: ConnectionEnd.Sign?) {
        let error = WireError.system(SystemError(errno: errno, call: "recv"))
        #expect(ConnectionEnd.Sign(error) == sign)
        #expect(ConnectionEnd.Sign(.failed(error)) == sign)
    }

    /// `ConnectionEndIncidentTests` show the errors of TLS.
    @Test func errorsOfTheWireAsTheEndOfAnExchange() {
        typealias Sign = ConnectionEnd.Sign
        #expect(Sign(WireError.tunnel(.endedAtOnce)) == .tunnelEnd)
        #expect(Sign(WireError.tunnel(.connectionEnded)) == .tunnelEnd)
        #expect(Sign(WireError.endInHandshake) == .fin)
        #expect(Sign(WireError.layerTakesNoMore) == nil)
        #expect(Sign(WireEnding.fin) == .fin && Sign(WireEnding.closeNotify) == .closeNotify)
    }

    @Test(arguments: [
        (
            TunnelError.reply(5), TransportError.Kind.proxyReply(5),
            "the SOCKS proxy replied 5: \(SOCKSCause(code: 5).words)"
        ),
        (
            .streamReset(code: 2), .proxyFailed,
            "the proxy ended the tunnel's stream (HTTP/2 code 2)"
        ),
        (.authenticationRefused, .proxyFailed, "the proxy refused the credentials"),
        (
            .methodRefused(0xFF, hadCredentials: false), .proxyFailed,
            "the proxy wants credentials (SOCKS method 255), and there are none for it"
        ),
        (
            .methodRefused(0xFF, hadCredentials: true), .proxyFailed,
            "the proxy accepts neither a password nor a client without one (SOCKS method 255)"
        ),
        (
            .methodRefused(3, hadCredentials: true), .proxyFailed,
            "the proxy chose SOCKS method 3, which was not offered"
        ),
        (.closed, .proxyFailed, "the proxy closed the connection"),
    ])
    func errorsOfTunnels(
        _ error: TunnelError, _ kind: TransportError.Kind, _ message: String
    ) {
        #expect(error.explained.kind == kind)
        #expect(error.explained.message == message)
    }

    @Test func anAddressIsATargetOfSOCKSUnlessItIsAPath() {
        let address = SocketAddress(literal: "127.0.0.1", port: 80)
        #expect(address?.socksTarget == .ipv4([127, 0, 0, 1], port: 80))
        #expect(SocketAddress(literal: "::1", port: 80)?.socksTarget != nil)
        #expect(SocketAddress(unixPath: "/tmp/x")?.socksTarget == nil)
    }
}
