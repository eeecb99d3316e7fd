import Apus
import Loopback
import Testing

/// What a connection that has left HTTP is asked by the tests: the ways in, and reading so much.
enum DuplexWay: String, CaseIterable, Sendable {
    case upgrade, upgradeOverTLS, connect

    var isTLS: Bool { self == .upgradeOverTLS }

    /// What the peer does before the duplex begins; `tail` comes with its answer, in one piece.
    func agreement(tail: String = "") throws -> [ScriptedPeer.Step] {
        switch self {
        case .upgrade: return [.expectHead, .sendText(Self.switching + tail)]
        case .upgradeOverTLS:
            try FixturePaths.ensureCertificates()
            return [
                .startTLS(FixturePaths.certificate("leaf"), alpn: ["http/1.1"]), .expectHead,
                .sendText(Self.switching + tail),
            ]
        case .connect:
            // A length in it means nothing (RFC 9110, section 9.3.6).
            return [
                .expectHead, .sendText("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + tail),
            ]
        }
    }

    /// The peer ends its side.
    var peersEnd: ScriptedPeer.Step { isTLS ? .closeNotify : .halfClose }

    private static let switching =
        "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: Echo\r\n\r\n"
}

extension FaultStand {
    /// What the test asks for, not sent yet.
    func duplexRequest(_ variant: DuplexWay) throws -> (HTTPRequest, RequestOptions) {
        var options = RequestOptions()
        if variant == .connect {
            options.connectTo = .address("127.0.0.1", port: peer.port)
            options.allowsConnectAndTrace = true
            let request = HTTPRequest(
                method: .connect, scheme: "http", authority: "target.test:443", path: nil)
            return (request, options)
        }
        options.upgrade = "x/1, echo"
        let scheme = variant.isTLS ? "https" : "http"
        return (try .get("\(scheme)://localhost:\(peer.port)/chat"), options)
    }

    /// Asks for a duplex and gets it.
    func duplex(_ variant: DuplexWay) async throws -> Duplex {
        let (request, options) = try duplexRequest(variant)
        let response = try await engine.send(request, options: options)
        #expect(response.status.code == (variant == .connect ? 200 : 101))
        #expect(response.version == .http1)
        #expect(try await response.body.collect(upTo: 0).isEmpty)
        return try #require(response.duplex)
    }

    /// Waits until the engine holds no connection any more.
    func expectNothingLeft() async throws {
        try await eventually("the duplex is gone") { engine.snapshot().connections == 0 }
    }
}

extension Duplex {
    /// Reads until so many bytes have come; fewer when the peer ends.
    func read(atLeast count: Int) async throws -> String {
        var bytes: [UInt8] = []
        while bytes.count < count, let piece = try await read() {
            #expect(!piece.isEmpty)
            bytes += piece
        }
        return String(Bytes(bytes))
    }
}

/// An executor's tuning that trusts the fixtures.
let trustingTuning: EngineTuning = {
    var tuning = relaxedTuning
    tuning.tls.roots = .file(FixturePaths.pem("ca"))
    return tuning
}()
