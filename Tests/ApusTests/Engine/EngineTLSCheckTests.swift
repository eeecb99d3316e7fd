import Apus
import LoopFixtures
import Loopback
import Testing

/// Files of TLS settings are checked when an engine is made, and not by its first request.
@Suite(.timeLimit(.minutes(5))) struct EngineTLSCheckTests {
    @Test func unusableFilesAreNamedAtOnce() throws {
        try FixturePaths.ensureCertificates()
        var tuning = EngineTuning.default
        tuning.tls.roots = .file("/nonexistent/roots.pem")
        let roots = #expect(throws: InvalidTuning.self) { try TransportEngine(tuning) }
        #expect(
            roots?.description
                == "tls: roots file /nonexistent/roots.pem: No such file or directory")
        tuning.tls.roots = .pem("no certificate")
        let pem = #expect(throws: InvalidTuning.self) { try TransportEngine(tuning) }
        #expect(pem?.field == "tls")
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        tuning.tls.identity = .init(
            certificateFile: FixturePaths.pem("ca"), keyFile: "/nonexistent.pem")
        let identity = #expect(throws: InvalidTuning.self) { try TransportEngine(tuning) }
        #expect(identity?.reason.hasPrefix("key file /nonexistent.pem: ") == true)
    }

    @Test func usableFilesAndSourcesMakeAnEngine() async throws {
        try FixturePaths.ensureCertificates()
        var tuning = EngineTuning.default
        tuning.tls.roots = .file(FixturePaths.pem("ca"))
        await (try TransportEngine(tuning)).shutdown()
        let isRead = Guarded(false)
        tuning.tls.roots = .source(
            TLSSource {
                isRead.withLock { $0 = true }
                return Bytes("no certificate")
            })
        let engine = try TransportEngine(tuning)
        #expect(!isRead.withLock { $0 }, "a source is read when it is needed")
        let server = try secureOrigin()
        defer { server.stop() }
        let error = await dialError(engine, "https://localhost:\(server.port)/")
        #expect(error?.kind == .tlsHandshake)
        #expect(isRead.withLock { $0 })
        await engine.shutdown()
    }
}
