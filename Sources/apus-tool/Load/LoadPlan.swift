import Apus

/// The requests of `apus load`, made before anything is measured.
struct LoadPlan: Sendable {
    /// One request per URL, sent in turns.
    let requests: [HTTPRequest]
    let body: RequestBody
    let proxy: ProxySetting
    /// The version that every response must have.
    let version: HTTPVersion
    let versions: HTTPVersionPolicy
    let concurrency: Int
    /// Isolation scopes that requests use in turn; 0 is none.
    let scopes: Int
    /// Whether each request has its own connection.
    let isOneShot: Bool
    /// Whether line feeds in bodies are counted, two to an event.
    let countsEvents: Bool
    /// Whether bodies are parsed as event streams, and their events counted.
    let parsesEvents: Bool
    /// Whether tasks run on the engine's threads.
    let runsOnLoop: Bool
    let scenario: String
    /// Records each response's wait; `nil` without `--explain`.
    var explanation: LoadExplanation?

    /// The name of this client in the output.
    var peer: String { environment("BENCH_PEER") ?? (runsOnLoop ? "apus" : "apus-global") }
}
