import Apus
import Foundation
import Gateway
import GatewayFixtures
import Testing

/// The four stories that shaped the engine, each with a gateway around it.
@Suite struct SeedStoryTests {
    /// R4, R11: each request makes a client of its own, and all of them share one pool.
    @Test(.timeLimit(.minutes(1))) func freshClientsShareThePool() async throws {
        let origin = try await ScriptedOrigin { _ in .events(["one", "two"]) }
        try await withGateway(configuration(origin)) { ground in
            for _ in 1...20 {
                let fields: HTTPFields = [.connection: "close"]
                _ = try await ground.post("/v1/messages", fields: fields).body.collect(upTo: 100)
            }
            #expect(origin.counts.requests == 20)
            #expect(origin.counts.connections == 1)
            #expect(ground.gateway.engine.snapshot().reuses == 19)
        }
        try await origin.stop()
    }

    /// R13: a proxy, or a scope, has connections of its own; credentials of one scope share.
    @Test(.timeLimit(.minutes(1))) func aScopeKeepsConnectionsApart() async throws {
        let origin = try await ScriptedOrigin { _ in .text() }
        let configuration = configuration(origin, credentials: ["a", "b", "c"]) {
            $0.credentials[0].scope = "one"
            $0.credentials[1].scope = "one"
            $0.credentials[2].scope = "two"
        }
        try await withGateway(configuration) { ground in
            for _ in 1...9 {
                _ = try await ground.post("/v1/messages").body.collect(upTo: 100)
            }
            #expect(Set(origin.counts.byCredential.values) == [3])
            #expect(origin.counts.connections == 2)
        }
        try await origin.stop()
    }

    /// R1, R3: the tuning for executors never reaches the engine that fetches the list of models.
    @Test(.timeLimit(.minutes(1))) func tuningStaysWithItsEngine() async throws {
        let origin = try await ScriptedOrigin { arrival in .text(.ok, #"{"data":["large"]}"#) }
        try await withGateway(configuration(origin) { $0.models = "/models" }) { ground in
            #expect(
                await eventually {
                    let response = try? await ground.get("/v1/models")
                    let text = try? await response?.body.collect(upTo: 1000)
                    return text == Bytes(#"{"api":{"data":["large"]}}"#)
                })
            // It was fetched by the plain engine, without a credential.
            #expect(origin.counts.byCredential == ["": 1])
            #expect(ground.gateway.engine.snapshot().connectionsOpened == 0)
            #expect(ground.gateway.plain.snapshot().connectionsOpened == 1)
            _ = try await ground.post("/v1/messages").body.collect(upTo: 100)
            #expect(ground.gateway.engine.snapshot().connectionsOpened == 1)
            #expect(ground.gateway.plain.snapshot().connectionsOpened == 1)
            #expect(ground.gateway.plain.tuning == .default)
            #expect(ground.gateway.plain.tuning.pool.maxIdle == 100)
            #expect(ground.gateway.plain.tuning.pool.maxIdlePerHost == 2)
            #expect(ground.gateway.engine.tuning.pool.maxIdle == 200)
            #expect(ground.gateway.engine.tuning.pool.maxIdlePerHost == 20)
        }
        try await origin.stop()
    }

    /// R7, R15: an upstream's own engine for HTTP/1.1 is used as it is, also where a proxy is set.
    @Test(.timeLimit(.minutes(1)), arguments: ["", "direct"])
    func anOwnEngineForHTTP1Survives(proxy: String) async throws {
        let recorder = try await HelloRecorder()
        var configuration = GatewayConfiguration()
        var own = GatewayConfiguration.Upstream(name: "own", origin: recorder.url)
        own.paths = ["/own"]
        own.http1Only = true
        own.credentials = [.init(name: "a", secret: "s", proxy: proxy.isEmpty ? nil : proxy)]
        var other = own
        other.name = "other"
        other.paths = ["/other"]
        other.http1Only = false
        configuration.upstreams = [own, other]
        try await withGateway(configuration) { ground in
            let (gateway, engine) = (ground.gateway, ground.gateway.upstreams[0].engine)
            #expect(engine !== gateway.engine)
            #expect(gateway.upstreams[1].engine === gateway.engine)
            let before = engine.tuning
            #expect(try await ground.post("/own").status == .badGateway)
            #expect(try await ground.post("/other").status == .badGateway)
            #expect(engine.snapshot().dialFailures > 0)
            #expect(engine.tuning == before)
            #expect(engine.tuning.pool.maxIdlePerHost == 100)
            let hellos = recorder.hellos
            #expect(hellos.first?.extensions[ClientHello.alpn] == nil)
            let offer = try #require(hellos.last?.extensions[ClientHello.alpn])
            #expect(String(decoding: offer, as: UTF8.self).contains("h2"))
        }
    }

    /// R2: a program that imports every product has one thread, and no descriptor of epoll.
    @Test func importingChangesNothing() throws {
        let program = Process()
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        program.executableURL = URL(fileURLWithPath: own).deletingLastPathComponent()
            .appendingPathComponent("imports-alone")
        let output = Pipe()
        program.standardOutput = output
        program.standardError = output
        program.standardInput = FileHandle.nullDevice
        try program.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        program.waitUntilExit()
        #expect(text == "idle=100 idle_per_host=2\nthreads=1 descriptors=0\n")
    }
}
