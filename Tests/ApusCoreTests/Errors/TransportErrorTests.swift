import ApusCore
import HTTPTypes
import Testing

/// An error reports its facts in one line, without secrets.
@Suite struct TransportErrorTests {
    private typealias Kind = TransportError.Kind

    @Test func aNewErrorClaimsNothing() {
        let error = TransportError(.reset, phase: .head, message: "m")
        #expect(error.hop == .origin)
        #expect(error.route == nil)
        #expect(error.attempts.isEmpty)
        #expect(error.bytesSent == 0)
        #expect(error.bytesReceived == 0)
        #expect(!error.isReused)
        #expect(error.replay == .notSent)
        #expect(error.proxyAnswer == nil)
        #expect(error.connectionID == nil && error.remoteAddress == nil)
        #expect(error.exchangeID == nil && error.producerError == nil)
        #expect(error.invalidRequest == nil)
    }

    @Test func anErrorNamesItsConnectionAndItsExchange() {
        var error = TransportError(.reset, phase: .head, message: "m")
        error.connectionID = 3
        error.remoteAddress = "127.0.0.1:80"
        let counts = " (body bytes: 0 sent, 0 received; replay: notSent)"
        #expect(
            error.description == "connection reset: m (phase head) (connection 3 to 127.0.0.1:80)"
                + counts)
        error.exchangeID = 7
        #expect(
            error.description
                == "connection reset: m (phase head) (connection 3 to 127.0.0.1:80, exchange 7)"
                + counts)
    }

    @Test func anInvalidRequestKeepsItsFacts() {
        let invalid = InvalidRequest(field: "host", reason: "is missing")
        let error = TransportError(invalid)
        #expect(error.kind == .invalidRequest(invalid))
        #expect(error.phase == .request)
        #expect(error.invalidRequest == invalid)
        #expect(error.message == "host: is missing")
        #expect(TransportError(invalid, phase: .body).phase == .body)
    }

    @Test func aPlainErrorIsOneShortLine() {
        let error = TransportError(
            .timeout, phase: .connect, message: "no address connected within 5 s")
        #expect(
            error.description
                == "timed out: no address connected within 5 s (phase connect)"
                + " (body bytes: 0 sent, 0 received; replay: notSent)")
    }

    @Test func aFullErrorReportsEveryFact() throws {
        let proxy = try ProxyEndpoint(parsing: "http://hunter2:swordfish@proxy:3128")
        var error = TransportError(
            .connect(errno: 111), phase: .connect, message: "Connection refused", replay: .unknown)
        error.hop = .proxy
        error.route = Route(
            origin: try Origin(scheme: .https, host: "h"), proxies: [proxy],
            isolation: "tenant-name")
        error.attempts = [
            .init(address: "127.0.0.1:1", outcome: "refused"),
            .init(address: "[::1]:1", outcome: "unreachable"),
        ]
        error.bytesSent = 12
        error.bytesReceived = 34
        let scope: IsolationScope = "tenant-name"
        #expect(
            error.description
                == "connect failed: Connection refused (phase connect, at the proxy)"
                + " [https://h via http://proxy:3128 in \(scope)]"
                + " (tried 127.0.0.1:1: refused; [::1]:1: unreachable)"
                + " (body bytes: 12 sent, 34 received; replay: unknown)")
        for secret in ["hunter2", "swordfish", "tenant-name"] {
            #expect(!"\(error)".contains(secret))
            #expect(!String(reflecting: error).contains(secret))
        }
    }

    @Test(arguments: [
        (Kind.invalidRequest(InvalidRequest(field: "a", reason: "b")), "invalidRequest"),
        (.producerFailed, "producer"),
        (.dns(isTemporary: true), "dns"), (.connect(errno: 1), "connect"), (.timeout, "timeout"),
        (.tlsVerify(code: 20), "tlsVerify"), (.tlsHandshake, "tlsHandshake"),
        (.tlsAlert, "tlsAlert"), (.proxyStatus(407), "proxy"), (.proxyReply(1), "proxy"),
        (.proxyFailed, "proxy"), (.reset, "reset"), (.truncated, "truncated"),
        (.malformed, "malformed"), (.tooLarge, "tooLarge"), (.h2Stream(code: 8), "h2Stream"),
        (.h2GoAway(code: 0, lastStreamID: 1), "h2GoAway"), (.h2Abuse, "h2Abuse"),
        (.redirect(.loop), "redirect"),
        (.resource(errno: 24), "resource"), (.cancelled, "cancelled"), (.shutdown, "shutdown"),
        (.overloaded, "overloaded"),
    ])
    func eachKindHasAName(kind: TransportError.Kind, name: String) {
        #expect(kind.name == name)
        let error = TransportError(kind, phase: .total, message: "m")
        #expect(error.description.hasPrefix("\(kind.summary): m (phase total) "))
        #expect(error.isCancelled == (name == "cancelled"))
    }

    @Test func kindsDifferInTheirNumbers() {
        #expect(Kind.proxyStatus(407) != .proxyStatus(403))
        #expect(Kind.h2Stream(code: 7) != .h2Stream(code: 8))
        #expect(Kind.dns(isTemporary: true) != .dns(isTemporary: false))
    }

    @Test func aProxysAnswerIsKeptWhole() {
        let answer = TransportError.ProxyAnswer(
            status: 407, fields: [.proxyAuthenticate: "Basic"], body: Bytes("no"))
        var error = TransportError(.proxyStatus(407), phase: .proxy, message: "m")
        error.proxyAnswer = answer
        #expect(error.proxyAnswer?.status == 407)
        #expect(error.proxyAnswer?.fields[.proxyAuthenticate] == "Basic")
        #expect(error.proxyAnswer?.body == Bytes("no"))
        #expect(!error.description.contains("Basic"))
    }
}
