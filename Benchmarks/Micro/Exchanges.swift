import Apus
import ApusRetry
import Glibc
import HTTPTypes
import Loopback

/// What one exchange costs on its connection's own thread.
struct Exchange {
    let name: String
    let title: String
    let nanoseconds: Double
    /// `nil` without `allocations.c` preloaded.
    let allocations: Double?

    private static let rounds = 2000

    /// GETs of 1 KiB, one after the other on one kept connection, alone and below layers.
    static func measureAll() throws -> [Exchange] {
        let server = try LoopbackServer()
        defer { server.stop() }
        let port = server.port
        let outcome = Outcome()
        Task {
            do {
                outcome.value = try await measureAll(port: port)
            } catch {
                outcome.error = error
            }
            sem_post(outcome.isThere)
        }
        sem_wait(outcome.isThere)
        if let error = outcome.error { throw error }
        return outcome.value
    }

    private static func measureAll(port: UInt16) async throws -> [Exchange] {
        let engine = try TransportEngine(.executor)
        let request = try HTTPRequest.get("http://127.0.0.1:\(port)/bytes/1024")
        let origin = try Origin(scheme: .http, host: "127.0.0.1", port: Int(port))
        let key = Choice.credential("key", [.authorization: "Bearer 0123456789abcdef"], for: origin)
        let stacks: [(String, String, any HTTPTransport)] = [
            ("exchange", "an exchange: GET of 1 KiB, its connection kept", engine),
            ("exchange-retrying", "the same with Retrying", Retrying(engine)),
            ("exchange-redirecting", "the same with Redirecting", Redirecting(engine)),
            (
                "exchange-both", "the same with Redirecting(Retrying)",
                Redirecting(Retrying(engine))
            ),
            (
                "exchange-rotating", "the same with Rotating over a credential",
                try Rotating(over: [key], engine)
            ),
        ]
        var all: [Exchange] = []
        for (name, title, transport) in stacks {
            let (time, count) = try await Task(executorPreference: engine.taskExecutor) {
                try await measure(request, over: transport)
            }.value
            all.append(Exchange(name: name, title: title, nanoseconds: time, allocations: count))
        }
        await engine.shutdown()
        return all
    }

    private static func measure(
        _ request: HTTPRequest, over transport: any HTTPTransport
    ) async throws -> (Double, Double?) {
        for _ in 0..<500 { _ = try await transport.send(request).body.collect(upTo: 4096) }
        let (before, start) = (allocationCount(), threadNanoseconds())
        for _ in 0..<rounds { _ = try await transport.send(request).body.collect(upTo: 4096) }
        let time = Double(threadNanoseconds() - start) / Double(rounds)
        guard let before, let after = allocationCount() else { return (time, nil) }
        return (time, Double(after - before) / Double(rounds))
    }
}

/// Unchecked, because the task writes before it posts, and the main thread reads after that.
private final class Outcome: @unchecked Sendable {
    let isThere: UnsafeMutablePointer<sem_t>
    var value: [Exchange] = []
    var error: (any Error)?

    init() {
        isThere = .allocate(capacity: 1)
        sem_init(isThere, 0, 0)
    }
}
