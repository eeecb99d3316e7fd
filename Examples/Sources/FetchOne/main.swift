import Apus

var tuning = EngineTuning.executor  // 200 idle connections in all, 20 per host, 90 s
tuning.pool.maxIdlePerHost = 32  // a copy: no other engine changes
let engine = try TransportEngine(tuning)  // throws with the field's name if a value is bad

let url = CommandLine.arguments.dropFirst().first ?? "https://example.com/"
for round in 1...2 {
    // A client is a cheap value, one per request if you like: all share the engine's one pool.
    let client = ExecutorClient(engine, isolation: "credential-42")
    do throws(TransportError) {
        let response = try await client.send(.get(url, fields: [.accept: "*/*"]))
        var count = 0
        for try await chunk in response.body { count += chunk.count }  // as it arrives
        print(
            round, response.status, response.version.rawValue, count, "bytes on a",
            response.info.isReused ? "reused connection" : "new connection")
    } catch {
        print(round, error)  // kind, phase, route, attempts, bytes, replay verdict
    }
}
await engine.shutdown(drain: .seconds(30))
