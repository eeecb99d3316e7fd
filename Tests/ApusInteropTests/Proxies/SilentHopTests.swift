import Apus
import Foundation
import Loopback
import Testing

/// haproxy as a TCP hop that ends what carries nothing for 4 s, before an origin that answers after
/// 9 s.
@Suite(
    "haproxy in silence", .timeLimit(.minutes(5)),
    .enabled(if: Programs.path("haproxy") != nil, "haproxy is not installed"))
struct SilentHopTests {
    /// An engine that trusts the origin, and a URL that leads through the hop.
    private struct Scene {
        let engine: TransportEngine
        let url: String

        /// The status of the answer, and the protocol that it came by.
        func get(_ versions: HTTPVersionPolicy) async throws -> HTTPVersion {
            var options = RequestOptions()
            options.versions = versions
            let response = try await engine.send(.get(url), options: options)
            #expect(response.status == .ok)
            _ = try await response.body.collect(upTo: 100)
            return response.version
        }

        func cut(_ versions: HTTPVersionPolicy) async throws -> ConnectionEnd {
            let error = await #expect(throws: TransportError.self) { _ = try await get(versions) }
            let end = try #require(error?.connectionEnd)
            #expect([.fin, .reset].contains(end.sign))
            #expect(try #require(end.sinceReceived) >= .seconds(3))
            return end
        }
    }

    private func play(
        _ name: String, pingAfter: Duration, _ body: (Scene) async throws -> Void
    ) async throws {
        try FixturePaths.ensureCertificates()
        let origin = try LoopbackServer(.init(tls: FixturePaths.certificate("leaf")))
        defer { origin.stop() }
        let hop = try RunningServer.start(
            .init(name: name, portNames: ["PORT"]) { ports, folder in
                let program = try #require(Programs.path("haproxy"))
                let text = try RealServer.fill(
                    "\(RealServer.fixtures)/haproxy-silence.conf.in",
                    with: ["PORT": "\(ports["PORT"] ?? 0)", "ORIGIN": "\(origin.port)"])
                let file = "\(folder)/haproxy.conf"
                try text.write(toFile: file, atomically: true, encoding: .utf8)
                return [program, "-db", "-f", file]
            })
        defer { hop.stop() }
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tuning.http2.pingAfter = pingAfter
        let engine = try TransportEngine(tuning)
        let url = "https://localhost:\(hop.ports["PORT"] ?? 0)/delay/9000"
        do {
            try await body(Scene(engine: engine, url: url))
        } catch {
            await engine.shutdown()
            throw error
        }
        await engine.shutdown()
    }

    @Test("C2: with PINGs in time a silent stream stays open over HTTP/2, which HTTP/1.1 has not")
    func pingsInTimeKeepASilentStreamOpen() async throws {
        try await play("haproxy-silence", pingAfter: .seconds(1)) { scene in
            async let http2 = scene.get(.http2Only)
            let end = try await scene.cut(.http1Only(alpn: .http1))
            #expect(end.silenceLimit == nil)
            #expect(try await http2 == .http2)
        }
    }

    @Test("C2: the hop's limit is learned from two cuts, and the third stream stays open")
    func theLimitOfAHopIsLearned() async throws {
        try await play("haproxy-learned", pingAfter: .seconds(600)) { scene in
            #expect(try await scene.cut(.automatic).silenceLimit == nil)
            let end = try await scene.cut(.automatic)
            #expect(end.silenceLimitSeen == 2)
            #expect(try #require(end.silenceLimit) >= .seconds(3))
            // Cuts after a silence are not held against HTTP/2.
            #expect(try await scene.get(.automatic) == .http2)
            let learned = try #require(scene.engine.snapshot().learnedWays.first)
            #expect(learned.silenceLimitSeen == 2)
            #expect(try #require(learned.pingAfterSeconds) < 4)
        }
    }
}
