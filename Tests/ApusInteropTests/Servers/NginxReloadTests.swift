import Apus
import Foundation
import Glibc
import Loopback
import Testing

/// nginx that says GOAWAY every 50 requests and is reloaded amid a burst.
///
/// An origin upstream of nginx counts the requests that were processed.
@Suite("nginx reloaded", .timeLimit(.minutes(5)), .installed(.nginx), .serialized)
struct NginxReloadTests {
    @Test func row57_aReloadInABurstFailsNothingAndDoublesNothing() async throws {
        try FixturePaths.ensureCertificates()
        let origin = try LoopbackServer(.init())
        let server = try Self.start(origin.port)
        var tuning = EngineTuning.patient
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        let engine = try TransportEngine(tuning)
        let client = ExecutorClient(engine, versions: .http2Only)
        let url = "https://localhost:\(server.ports["H2"] ?? 0)/sink"
        var tally = Tally()
        await withTaskGroup(of: TransportError?.self) { group in
            for number in 0..<500 {
                if number == 200 { #expect(server.signal(SIGHUP)) }
                group.addTask { await Self.post(url, client) }
                // A burst that lasts long enough for the reload to fall into it.
                if number.isMultiple(of: 20) { try? await Task.sleep(for: .milliseconds(5)) }
            }
            for await error in group { tally.note(error) }
        }
        let processed = origin.counters.requests
        // What was provably not processed was moved, so whatever failed may have been processed:
        // it is in doubt, and nothing of it was sent twice.
        #expect(tally.answered + tally.doubtful == 500)
        #expect(
            tally.failures.allSatisfy { $0.replay == .unknown || $0.replay == .responseStarted })
        #expect(processed >= tally.answered)
        #expect(processed <= 500)
        #expect(tally.failures.isEmpty, "\(tally.failures)")
        #expect(engine.snapshot().connectionsOpened >= 10)
        await engine.shutdown()
        server.stop()
        origin.stop()
    }

    private struct Tally {
        var answered = 0
        var failures: [TransportError] = []
        var doubtful: Int { failures.count }

        mutating func note(_ error: TransportError?) {
            if let error { failures.append(error) } else { answered += 1 }
        }
    }

    /// A POST, which must not be sent again on a guess; its error, if any.
    private static func post(_ url: String, _ client: ExecutorClient) async -> TransportError? {
        do throws(TransportError) {
            let response = try await client.send(.post(url), body: .bytes(Bytes("x")))
            let answer = String(try await response.body.collect(upTo: 100))
            if response.status != .ok || answer != "1\n" {
                Issue.record("\(response.status): \(answer)")
            }
            return nil
        } catch {
            return error
        }
    }

    private static func start(_ upstream: UInt16) throws -> RunningServer {
        let program = try #require(Programs.path("nginx"))
        let certificate = FixturePaths.certificate("leaf")
        return try RunningServer.start(
            .init(name: "nginx-reload", portNames: ["H2"]) { ports, folder in
                var text = try String(
                    contentsOfFile: RealServer.fixtures + "/nginx-reload.conf.in", encoding: .utf8)
                let values = [
                    "FOLDER": folder, "CERTIFICATE": certificate.chain, "KEY": certificate.key,
                    "UPSTREAM": String(upstream), "H2": String(ports["H2"] ?? 0),
                ]
                for (name, value) in values {
                    text = text.replacingOccurrences(of: "@\(name)@", with: value)
                }
                let configuration = "\(folder)/nginx.conf"
                try text.write(toFile: configuration, atomically: true, encoding: .utf8)
                return [program, "-p", folder, "-c", configuration]
            })
    }
}
